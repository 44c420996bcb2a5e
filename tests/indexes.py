"""Package indexes on this machine, with packages made on the spot."""

from __future__ import annotations

import base64
import hashlib
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def wheel(index: Path, name: str, version: str, says: str = "") -> Path:
    """Put a wheel of a package into an index of the simple form (PEP 503)."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": f"says = {says or version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, content)
    links = []
    for found in sorted(folder.glob("*.whl")):
        digest = hashlib.sha256(found.read_bytes()).hexdigest()
        links.append(f'<a href="{found.name}#sha256={digest}">{found.name}</a>')
    page = "<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>"
    (folder / "index.html").write_text(page)
    return path


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, *args: object, login: str | None, **kwargs: object) -> None:
        self.login = login
        super().__init__(*args, **kwargs)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        expected = base64.b64encode((self.login or "").encode()).decode()
        if self.login and self.headers.get("Authorization") != f"Basic {expected}":
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def served(index: Path, login: str | None = None) -> Iterator[int]:
    """Serve an index over HTTP, behind a login if one is given; gives the port."""
    handler = partial(_Handler, directory=str(index), login=login)
    server = ThreadingHTTPServer(("0.0.0.0", 0), handler)  # noqa: S104 - containers ask it
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()

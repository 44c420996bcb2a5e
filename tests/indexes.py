"""Package indexes on this machine, with packages made on the spot."""

from __future__ import annotations

import base64
import hashlib
import html
import io
import re
import ssl
import subprocess
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path


def wheel(  # noqa: PLR0913 - what a wheel can say
    index: Path,
    name: str,
    version: str,
    says: str = "",
    *,
    requires: Sequence[str] = (),
    python: str = "",
    tag: str = "py3-none-any",
) -> Path:
    """Put a wheel of a package into an index of the simple form (PEP 503)."""
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    module = name.replace("-", "_")
    path = folder / f"{module}-{version}-{tag}.whl"
    info = f"{module}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {one}\n" for one in requires)
    needs += f"Requires-Python: {python}\n" if python else ""
    files = {
        f"{module}.py": f"says = {says or version!r}\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\n"
        f"Tag: {tag}\n",
    }
    record = "".join(f"{file},,\n" for file in files) + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in {**files, f"{info}/RECORD": record}.items():
            archive.writestr(file, content)
    list_files(folder)
    return path


def sdist(index: Path, name: str, version: str, files: Mapping[str, str]) -> Path:
    """Put a source distribution into an index.

    Parameters
    ----------
    index
        Its folder.
    name
        Of the package.
    version
        Its version.
    files
        Contents by file name: ``setup.py`` and what it needs.
    """
    folder = index / name
    folder.mkdir(parents=True, exist_ok=True)
    top = f"{name.replace('-', '_')}-{version}"
    path = folder / f"{top}.tar.gz"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    with tarfile.open(path, "w:gz") as archive:
        for file, content in {"PKG-INFO": about, **files}.items():
            entry = tarfile.TarInfo(f"{top}/{file}")
            entry.size = len(content.encode())
            archive.addfile(entry, io.BytesIO(content.encode()))
    list_files(folder)
    return path


def list_files(folder: Path) -> None:
    """Write the page of one package."""
    links = []
    for found in sorted([*folder.glob("*.whl"), *folder.glob("*.tar.gz")]):
        digest = hashlib.sha256(found.read_bytes()).hexdigest()
        wanted = f' data-requires-python="{html.escape(_python(found))}"' if _python(found) else ""
        links.append(f'<a href="{found.name}#sha256={digest}"{wanted}>{found.name}</a>')
    page = "<!DOCTYPE html><html><body>" + "\n".join(links) + "</body></html>"
    (folder / "index.html").write_text(page)


def _python(path: Path) -> str:
    """Give which Python a wheel asks for, "" for any."""
    if path.suffix != ".whl":
        return ""
    with zipfile.ZipFile(path) as archive:
        name = next(one for one in archive.namelist() if one.endswith("/METADATA"))
        found = re.search(r"^Requires-Python: (.*)$", archive.read(name).decode(), re.MULTILINE)
    return found[1] if found else ""


def list_packages(index: Path) -> None:
    """Write the page of all packages."""
    names = sorted(found.name for found in index.iterdir() if found.is_dir())
    links = "\n".join(f'<a href="{name}/">{name}</a>' for name in names)
    page = f"<!DOCTYPE html><html><body>{links}</body></html>"
    (index / "index.html").write_text(page)


def certificate(folder: Path, address: str) -> Path:
    """Make a certificate, signed by nobody, with its key in the same file."""
    path = folder / "certificate.pem"
    words = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"]
    words += ["-subj", "/CN=nobody", "-addext", f"subjectAltName=IP:{address}"]
    words += ["-keyout", str(folder / "key.pem"), "-out", str(folder / "only.pem")]
    subprocess.run(words, check=True, capture_output=True)
    path.write_text((folder / "key.pem").read_text() + (folder / "only.pem").read_text())
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


class _Broken(_Handler):
    def do_GET(self) -> None:
        self.send_error(500)


@contextmanager
def broken() -> Iterator[int]:
    """Serve errors and nothing else; gives the port."""
    with _serving(partial(_Broken, login=None)) as server:
        yield server.server_address[1]


@contextmanager
def served(index: Path, login: str | None = None, certificate: Path | None = None) -> Iterator[int]:
    """Serve an index over HTTP, behind a login if one is given; gives the port.

    Parameters
    ----------
    index
        Its folder.
    login
        As "name:password".
    certificate
        Serves HTTPS, with this certificate and its key.
    """
    handler = partial(_Handler, directory=str(index), login=login)
    with _serving(handler, certificate) as server:
        yield server.server_address[1]


class _Server(ThreadingHTTPServer):
    # Installers open many connections at once, and five that wait are what the system allows.
    request_queue_size = 128


@contextmanager
def _serving(
    handler: Callable[..., _Handler], certificate: Path | None = None
) -> Iterator[ThreadingHTTPServer]:
    server = _Server(("0.0.0.0", 0), handler)  # noqa: S104 - containers ask it
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()

"""A registry that takes what is pushed at a trickle, until the other side hangs up."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


_TRICKLE = 1 << 12
_PAUSE = 0.05


class Stalled:
    """What a registry saw that never comes to the end of an upload.

    Parameters
    ----------
    address
        Host and port.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self.waits = threading.Event()
        """Somebody uploads."""
        self.left = threading.Event()
        """Who uploaded has hung up."""
        self.ended = threading.Event()


@contextmanager
def stalled_registry() -> Iterator[Stalled]:
    """Run such a registry."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._say(200 if self.path == "/v2/" else 404)

        do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

        def do_POST(self) -> None:
            self._say(202, Location=f"http://{registry.address}{self.path}1")

        def do_PATCH(self) -> None:
            registry.waits.set()
            while self.connection.recv(_TRICKLE) and not registry.ended.wait(_PAUSE):
                pass
            registry.left.set()
            self.close_connection = True

        def _say(self, status: int, **headers: str) -> None:
            self.send_response(status)
            self.send_header("Docker-Distribution-Api-Version", "registry/2.0")
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    registry = Stalled(f"localhost:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield registry
    finally:
        registry.ended.set()
        server.shutdown()
        server.server_close()

"""Engines that say what a test wants, on sockets of their own."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def told_engine(path: Path, api: str = "1.41", **info: Any) -> Iterator[str]:
    """Run something that answers as an engine of an API would, and has no image."""
    answers = {
        "/version": {"Version": "19.03.1", "ApiVersion": api, "MinAPIVersion": "1.12"},
        "/info": {"ID": "told", "Architecture": "x86_64", **info},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = next((body for end, body in answers.items() if self.path.endswith(end)), None)
            content = json.dumps(found or {"message": "no such image"}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def address_string(self) -> str:
            return "a socket"

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"unix://{path}"
        server.shutdown()

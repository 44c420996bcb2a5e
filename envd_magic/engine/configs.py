"""A registry on loopback that tells envd what is in a base image.

envd reads a base image's settings from the image's registry, never from the engine, and writes the
variables that it finds there into every step **in random order**, so that unchanged steps miss
the layer cache. The engine, though, takes the image itself from its own store where it has it. So
a build gives its base a private name at this server, which hands out the settings of the engine's
own image with no variables: steps then come out the same each time, an image that was never pushed
can be a base, and the steps' scripts export the variables themselves.

What it speaks is the part of https://github.com/opencontainers/distribution-spec that reads one
manifest and one configuration.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import socket
import threading
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from envd_magic.recipe.model import DEFAULT_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_CONFIG = "application/vnd.docker.container.image.v1+json"
# Tried first, one for each process that builds at the same time: an envd home has to name each port
# that was ever used. No system gives them out by itself.
_PORTS = range(27640, 27704)
_NO_PORT = f"no port of 127.0.0.1 is free, not one of {_PORTS} nor any other"


class ConfigServer:
    """The server, one a process; it listens from the first :meth:`publish` on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: ThreadingHTTPServer | None = None
        self._process = 0
        self._manifests: dict[str, bytes] = {}
        self._blobs: dict[str, bytes] = {}

    @property
    def address(self) -> str:
        """Host and port."""
        with self._lock:
            # A process that was forked has the server, and not the thread that answers.
            if self._server is None or self._process != os.getpid():
                self._server, self._process = self._start(), os.getpid()
            return f"127.0.0.1:{self._server.server_address[1]}"

    def publish(
        self,
        config: Mapping[str, Any],
        platform: str,
        name: str | None = None,
        unheard: str = "",
    ) -> str:
        """Offer the settings of an image and give the name that envd reads them under.

        Parameters
        ----------
        config
            User, working directory and entrypoint, as ``docker inspect`` has them.
        platform
            As "linux/amd64".
        name
            One that nobody else uses; None makes one up.
        unheard
            A folder that is not there, to have in PATH: steps that see it are new to every cache.
        """
        system, architecture, *_ = platform.split("/")
        kept = {key: config[key] for key in ("User", "WorkingDir", "Entrypoint") if config.get(key)}
        if unheard:
            kept["Env"] = [f"PATH={DEFAULT_PATH}:{unheard}"]
        blob = json.dumps(
            {
                "architecture": architecture,
                "os": system,
                "config": kept,
                "rootfs": {"type": "layers", "diff_ids": []},
            }
        ).encode()
        digest = _digest(blob)
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": _MANIFEST,
                "config": {"mediaType": _CONFIG, "size": len(blob), "digest": digest},
                "layers": [],
            }
        ).encode()
        path = f"envd_magic/{name or secrets.token_hex(8)}"
        reference = f"{self.address}/{path}:base"
        with self._lock:
            self._blobs[digest] = blob
            self._manifests[path] = manifest
        return reference

    def withdraw(self, name: str) -> None:
        """Take an offer back."""
        path = name.partition("/")[2].removesuffix(":base")
        with self._lock:
            self._manifests.pop(path, None)

    def _start(self) -> ThreadingHTTPServer:
        server = _listen(self._handler())
        server.daemon_threads = True
        threading.Thread(
            target=server.serve_forever, name="envd_magic-configs", daemon=True
        ).start()
        return server

    def _answer(self, path: str) -> tuple[bytes, str] | None:
        if path.rstrip("/") == "/v2":
            return b"{}", "application/json"
        name, _, rest = path.removeprefix("/v2/").rpartition("/manifests/")
        if name and (manifest := self._manifests.get(name)) is not None:
            return (manifest, _MANIFEST) if rest in ("base", _digest(manifest)) else None
        blob = self._blobs.get(path.rpartition("/blobs/")[2])
        return None if blob is None else (blob, "application/octet-stream")

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        answer = self._answer

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                found = answer(self.path)
                body, kind = found or (b"{}", "application/json")
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Docker-Content-Digest", _digest(body))
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET  # noqa: N815 - the name that http.server looks for

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler


class _Server(ThreadingHTTPServer):
    # Many builds may begin together; the system lets no more than five wait unasked.
    request_queue_size = 128


def _listen(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    for port in (*_PORTS, 0):
        with suppress(OSError):
            return _Server(("127.0.0.1", port), handler)
    raise OSError(_NO_PORT)


def can_listen() -> int:
    """Give a port on which a server could listen now.

    Raises
    ------
    OSError
        If there is none.
    """
    with closing(socket.socket()) as probe:
        for port in (*_PORTS, 0):
            with suppress(OSError):
                probe.bind(("127.0.0.1", port))
                probe.listen()
                return int(probe.getsockname()[1])
    raise OSError(_NO_PORT)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


#: The process's server.
SERVER = ConfigServer()

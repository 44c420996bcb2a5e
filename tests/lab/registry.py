"""The registry that images are pushed to: plain HTTP on a loopback port."""

from __future__ import annotations

import http.client
import json
import socket
from typing import TYPE_CHECKING, Any

from .machine import log, need
from .process import Daemon, LabError

if TYPE_CHECKING:
    from pathlib import Path

_USUAL_PORT = 5000
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"


def ensure_registry(state: Path) -> str:
    """Address of the lab's registry (``localhost:PORT``), started where it does not run.

    Engines take a registry of this name as one without TLS.
    """
    address = registry_address(state)
    if address:
        return address
    need(["docker-registry"])
    daemon = _daemon(state)
    daemon.stop()
    # The port of the time before: it is part of the name of every image that was pushed.
    port = _free_port(_port(state) or _USUAL_PORT)
    config = state / "registry.yml"
    # JSON is YAML too, and quotes any path.
    config.write_text(json.dumps(settings(state / "registry", port), indent=2))
    log.info("starting a registry on port %d", port)
    daemon.start("docker-registry", "serve", str(config))
    daemon.wait(lambda: _get(port, "/v2/") == http.HTTPStatus.OK)
    return f"localhost:{port}"


def registry_address(state: Path) -> str | None:
    """Address of the lab's registry while it runs."""
    port = _port(state)
    if port and _daemon(state).pid() and _get(port, "/v2/") == http.HTTPStatus.OK:
        return f"localhost:{port}"
    return None


def stop_registry(state: Path) -> bool:
    """End the lab's registry; what was pushed stays in the lab's folder."""
    return _daemon(state).stop()


def holds(image: str) -> bool:
    """Is an image, by its full name, in the registry?"""
    address, _, rest = image.partition("/")
    name, _, tag = rest.rpartition(":")
    port = int(address.rpartition(":")[2])
    return _get(port, f"/v2/{name}/manifests/{tag}") == http.HTTPStatus.OK


def _daemon(state: Path) -> Daemon:
    return Daemon("registry", state)


def settings(storage: Path, port: int, address: str = "127.0.0.1") -> dict[str, Any]:
    """Give a registry's settings, without TLS and for everybody.

    Parameters
    ----------
    storage
        Where it keeps what it gets.
    port
        Where it listens.
    address
        Of the interface.
    """
    return {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(storage)},
            "delete": {"enabled": True},
        },
        "http": {"addr": f"{address}:{port}"},
    }


def _port(state: Path) -> int | None:
    """Port of the registry's last start."""
    try:
        config = json.loads((state / "registry.yml").read_text())
        return int(config["http"]["addr"].rpartition(":")[2])
    except (OSError, ValueError, KeyError):
        return None


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            # As the registry will do it: without, a port is taken for a minute after its last use.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise LabError("no free port on the loopback interface")


def _get(port: int, path: str) -> int:
    """Status of the registry's answer; 0 without one."""
    # Not urllib, which would ask a proxy for it.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path, headers={"Accept": _MANIFEST})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()

"""The Docker engine: one that is there already, else the lab's own."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from .machine import log, need, unmount_below
from .network import ensure_bridge, remove_bridge, way_out_mtu
from .process import Daemon, LabError, command_line, end, run, which

if TYPE_CHECKING:
    from pathlib import Path

_DEFAULT_HOST = "unix:///var/run/docker.sock"


def ensure_engine(state: Path) -> str:
    """Address of an engine that answers: the user's own, else the lab's.

    Parameters
    ----------
    state
        The lab's folder.

    Returns
    -------
    str
        What ``DOCKER_HOST`` has to be.
    """
    need(["docker"])
    own = _host(state)
    named = os.environ.get("DOCKER_HOST", "")
    if named not in ("", own) and answers(named):
        return named
    if _daemon(state).pid() and answers(own):
        return own
    if answers(_DEFAULT_HOST):
        return _DEFAULT_HOST
    _start(state)
    return own


def start_own(state: Path, *options: str) -> tuple[str, int]:
    """Start an engine of a folder's own, beside whatever others there are.

    Parameters
    ----------
    state
        The folder.
    options
        Of dockerd, beside those of the lab's.

    Returns
    -------
    tuple of str and int
        Its address and its process number; :func:`stop_engine` ends it.
    """
    _start(state, *options)
    pid = engine_pid(state)
    if pid is None:
        raise LabError("the engine has ended")
    return _host(state), pid


def answers(host: str) -> bool:
    """Is there an engine at this address?"""
    try:
        run("docker", "-H", host, "version", "-f", "{{.Server.Version}}", seconds=10)
    except LabError:
        return False
    return True


def engine_pid(state: Path) -> int | None:
    """Process number of the lab's own engine while it runs."""
    return _daemon(state).pid()


def stop_engine(state: Path) -> bool:
    """End the lab's own engine and remove what it leaves.

    Returns
    -------
    bool
        There was one.
    """
    daemon = _daemon(state)
    if daemon.pid() is None and _pidfile(state).exists():
        # It was killed and may have left containers running: an engine that starts ends those.
        log.info("cleaning up after an engine that was killed")
        try:
            _start(state)
        except LabError as error:
            log.warning("%s", error)
    stopped = daemon.stop()
    left = _containerd(state)
    if left:
        end(left, lambda argv: _is_containerd(state, argv))
    for folder in ("docker", "exec"):
        unmount_below(state / folder)
    # Without `ip` no bridge was made.
    if which("ip"):
        remove_bridge(state)
    (state / "docker.sock").unlink(missing_ok=True)
    return stopped


def _start(state: Path, *options: str) -> None:
    if os.geteuid() != 0:
        raise LabError("no Docker engine answers, and only root can start one")
    need(["dockerd", "ip", "iptables"])
    daemon = _daemon(state)
    daemon.stop()
    # A file of its own, since the machine's may set what is set here, and that is an error.
    (state / "daemon.json").write_text("{}")
    # What a killed engine left: a foreign process may have its number by now.
    _pidfile(state).unlink(missing_ok=True)
    if _containerd(state) is None:
        # One that died with its engine, and that nobody has reaped, looks alive to a new one.
        _containerd_pidfile(state).unlink(missing_ok=True)
    log.info("starting an engine")
    daemon.start(
        "dockerd",
        *("--config-file", str(state / "daemon.json")),
        *("--data-root", str(state / "docker")),
        *("--exec-root", str(state / "exec")),
        *("--pidfile", str(_pidfile(state))),
        *("-H", _host(state)),
        *("--bridge", ensure_bridge(state).name),
        *("--mtu", str(way_out_mtu())),
        "--iptables=false",
        # Apart from another engine's where both use the machine's containerd.
        *("--containerd-namespace", "envdlab"),
        *("--containerd-plugins-namespace", "envdlab-plugins"),
        *("--shutdown-timeout", "5"),
        *("--log-level", "warn"),
        *options,
    )
    daemon.wait(lambda: answers(_host(state)))


def _daemon(state: Path) -> Daemon:
    return Daemon("dockerd", state)


def _host(state: Path) -> str:
    return f"unix://{state}/docker.sock"


def _pidfile(state: Path) -> Path:
    """File that an engine deletes when it ends as it should."""
    return state / "docker.pid"


def _containerd(state: Path) -> int | None:
    """Process number of the containerd that the lab's engine started, while it runs."""
    try:
        pid = int(_containerd_pidfile(state).read_text())
    except (OSError, ValueError):
        return None
    return pid if _is_containerd(state, command_line(pid)) else None


def _containerd_pidfile(state: Path) -> Path:
    return state / "exec/containerd/containerd.pid"


def _is_containerd(state: Path, argv: list[str]) -> bool:
    return str(state / "exec/containerd/containerd.toml") in argv

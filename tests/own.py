"""An engine and a registry of a test's own: to be killed, filled and started again."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .lab.engine import engine_pid, start_own, stop_engine
from .lab.process import run
from .lab.registry import ensure_registry, stop_registry

if TYPE_CHECKING:
    from collections.abc import Iterator


class OwnEngine:
    """An engine.

    Parameters
    ----------
    state
        Its folder; a short path, for its sockets.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self.host = ""

    def start(self) -> None:
        """Start it, unless it runs."""
        if engine_pid(self.state) is None:
            self.host, _ = start_own(self.state)

    def kill(self) -> None:
        """Kill it, as the kernel does where memory is short."""
        pid = engine_pid(self.state)
        assert pid is not None
        # As long as it is our child it stays in the table of processes.
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def restart(self) -> None:
        """End it as a system does, and start it again."""
        pid = engine_pid(self.state)
        assert pid is not None
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        self.start()

    def docker(self, *arguments: str) -> str:
        """Output of docker's command line with these arguments."""
        return run("docker", "-H", self.host, *arguments)

    def names(self) -> set[str]:
        """All names of images."""
        return set(self.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())


class OwnRegistry:
    """A registry, which keeps its address and what it has when it is started again."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.address = ""

    def start(self) -> None:
        """Start it, unless it runs."""
        self.address = ensure_registry(self.state)

    def stop(self) -> None:
        """End it."""
        stop_registry(self.state)


@contextmanager
def own_engine(base: str, disk: int | None = None) -> Iterator[OwnEngine]:
    """Run an engine that has a base image.

    Parameters
    ----------
    base
        In a registry on this machine.
    disk
        Megabytes of a disk of its own; None lets it use the machine's.
    """
    with _short_folder("engine") as state:
        engine = OwnEngine(state)
        if disk is not None:
            _mount(state, disk)
        try:
            engine.start()
            engine.docker("pull", "-q", base)
            yield engine
        finally:
            stop_engine(state)


@contextmanager
def own_registry() -> Iterator[OwnRegistry]:
    """Run a registry."""
    with _short_folder("registry") as state:
        registry = OwnRegistry(state)
        try:
            registry.start()
            yield registry
        finally:
            registry.stop()


@contextmanager
def _short_folder(name: str) -> Iterator[Path]:
    state = Path(tempfile.mkdtemp(prefix=f"own-{name}-"))
    try:
        yield state
    finally:
        shutil.rmtree(state)


def _mount(state: Path, megabytes: int) -> None:
    """Let an engine have a file system of its own, in a file."""
    image, place = state / "disk.img", state / "docker"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    run("mkfs.ext4", "-q", "-F", str(image))
    run("mount", "-o", "loop", str(image), str(place))

"""The lab as a whole: bring it up, use it, take it down."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from .base import cached_tar, ensure_base
from .engine import answers, engine_pid, ensure_engine, stop_engine
from .machine import delete_state, locked, state_folder
from .process import run
from .registry import ensure_registry, holds, registry_address, stop_registry

if TYPE_CHECKING:
    from pathlib import Path

_ENV = "env.json"


@dataclass(frozen=True)
class Lab:
    """A Docker engine, a registry and a base image to build on.

    Parameters
    ----------
    docker_host
        Address of the engine, the user's own or the lab's.
    registry
        Address of the registry, ``localhost:PORT``.
    base_image
        Full name of the base image.
    state
        The lab's folder.
    started
        Nothing of it ran before.
    """

    docker_host: str
    registry: str
    base_image: str
    state: Path
    started: bool

    @property
    def env(self) -> dict[str, str]:
        """Variables that point programs at the lab."""
        return {
            "DOCKER_HOST": self.docker_host,
            "LAB_REGISTRY": self.registry,
            "LAB_BASE_IMAGE": self.base_image,
            "FLYTE_INTERNAL_IMAGE": self.base_image,
        }

    def docker(self, *arguments: str, text_in: str | None = None) -> str:
        """Output of docker's command line with these arguments; it reads the text."""
        return run("docker", "-H", self.docker_host, *arguments, text_in=text_in)

    def derive(self, name: str, dockerfile_lines: list[str]) -> str:
        """Build an image on the base image and push it.

        Parameters
        ----------
        name
            What it is called in the registry.
        dockerfile_lines
            What a Dockerfile has after its ``FROM``.

        Returns
        -------
        str
            Full name of the image.
        """
        image = f"{self.registry}/lab/{name}:1"
        text = "\n".join([f"FROM {self.base_image}", *dockerfile_lines, ""])
        build = ("docker", "-H", self.docker_host, "build", "-q", "--force-rm", "-t", image, "-")
        run(*build, text_in=text, env={"DOCKER_BUILDKIT": "0"})
        self.docker("push", "-q", image)
        return image

    def run(self, image: str, *command: str) -> str:
        """Output of a command in a new container, which is removed after it."""
        return self.docker("run", "--rm", image, *command)

    def inspect(self, image: str) -> dict[str, Any]:
        """What the engine says about an image in its store."""
        found: list[dict[str, Any]] = json.loads(self.docker("image", "inspect", image))
        return found[0]

    def down(self) -> None:
        """End what runs of the lab."""
        down(self.state)


@dataclass(frozen=True)
class Status:
    """What there is of a lab."""

    state: Path
    engine: str
    registry: str
    base_image: str
    base_tar: str

    def __str__(self) -> str:
        return "".join(f"{name:<11} {value}\n" for name, value in asdict(self).items())


def up() -> Lab:
    """Bring up what is missing of the lab.

    Raises
    ------
    LabError
        Something could not be installed, started or made.
    """
    state = state_folder()
    with locked(state):
        started = not runs()
        host = ensure_engine(state)
        registry = ensure_registry(state)
        lab = Lab(host, registry, ensure_base(state, host, registry), state, started)
        (state / _ENV).write_text(json.dumps(lab.env, indent=2))
    return lab


def runs() -> bool:
    """Does anything of the lab run?"""
    state = state_folder()
    return bool(engine_pid(state) or registry_address(state))


def down(state: Path | None = None) -> bool:
    """End what the lab started; what it made stays.

    Parameters
    ----------
    state
        The lab's folder, by default the one that the environment names.

    Returns
    -------
    bool
        Something ran.
    """
    state = state or state_folder()
    if not state.exists():
        return False
    with locked(state):
        return _down(state)


def reset() -> None:
    """End what the lab started, and delete what it made."""
    state = state_folder()
    if state.exists():
        with locked(state):
            _down(state)
            delete_state(state)


def environment() -> dict[str, str] | None:
    """Variables of the lab that is up."""
    try:
        found: dict[str, str] = json.loads((state_folder() / _ENV).read_text())
    except FileNotFoundError:
        return None
    return found


def status() -> Status:
    """What there is of the lab."""
    state = state_folder()
    env = environment() or {}
    host, pid = env.get("DOCKER_HOST", ""), engine_pid(state)
    whose = f"own, process {pid}" if pid else "not the lab's"
    base, tar = env.get("LAB_BASE_IMAGE", ""), cached_tar(state)
    registry = registry_address(state)
    return Status(
        state,
        f"{host} ({whose})" if host and answers(host) else "-",
        registry or "-",
        base if registry and base and holds(base) else "-",
        f"{tar.stat().st_size >> 20} MB" if tar else "-",
    )


def _down(state: Path) -> bool:
    (state / _ENV).unlink(missing_ok=True)
    engine, registry = stop_engine(state), stop_registry(state)
    return engine or registry

"""Is there what a build needs? Asked before minutes are spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from envd_magic.engine import images
from envd_magic.engine.client import Engine
from envd_magic.envd.home import open_home
from envd_magic.envd.program import find_envd
from envd_magic.errors import EnvdMagicError
from envd_magic.recipe.compose import base_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.envd.home import Home


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    name
        What was looked at.
    good
        True if it will do.
    text
        What is there, or what is wrong and what to do.
    """

    name: str
    good: bool
    text: str

    def __str__(self) -> str:
        return f"{'ok  ' if self.good else 'FAIL'}  {self.name:10}  {self.text}"


def examine(spec: ImageSpec | None = None, context: str | None = None) -> Iterator[Finding]:
    """Look at envd, its context, the engine and the base image, in that order.

    Parameters
    ----------
    spec
        Whose base image and registry count; None takes flytekit's default image.
    context
        Name of an envd context, as for a build.
    """
    try:
        program = find_envd()
    except EnvdMagicError as error:
        yield Finding("envd", good=False, text=str(error))
        return
    yield Finding("envd", good=True, text=f"{program.version} ({program.path})")
    try:
        home = open_home(program, context, spec.registry if spec else None)
    except EnvdMagicError as error:
        yield Finding("context", good=False, text=str(error))
        return
    # The engine's own builder has an address that says nothing: it is found by DOCKER_HOST.
    where = f" at {home.address}" if home.address and not home.in_engine else ""
    yield Finding("context", good=True, text=f"{home.context} ({home.builder}{where})")
    yield from _engine(home, spec)


def _engine(home: Home, spec: ImageSpec | None) -> Iterator[Finding]:
    if not home.has_engine:
        text = f"not needed: the builder {home.builder} makes and pushes images by itself"
        yield Finding("engine", good=True, text=text)
        return
    engine = Engine()
    try:
        version = engine.api.version()
        text = f"Docker {version.get('Version')}, API {version.get('ApiVersion')}"
        yield Finding("engine", good=True, text=text)
        yield _base(engine, spec)
    except EnvdMagicError as error:
        yield Finding("engine", good=False, text=str(error))
    finally:
        engine.close()


def _base(engine: Engine, spec: ImageSpec | None) -> Finding:
    from flytekit import ImageSpec

    try:
        name = base_name(spec or ImageSpec())
        if found := images.inspect(engine, name):
            return Finding(
                "base image", good=True, text=f"{name} is in the engine ({found.platform})"
            )
        if digest := images.registry_digest(engine, name):
            return Finding(
                "base image", good=True, text=f"{name} is in its registry ({digest[:19]})"
            )
    except EnvdMagicError as error:
        return Finding("base image", good=False, text=str(error))
    return Finding(
        "base image", good=False, text=f"{name} is neither in the engine nor in a registry"
    )

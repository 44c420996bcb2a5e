"""What a build resolved, as exact versions: the image itself is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envd_magic.engine.containers import run_command
from envd_magic.errors import CommandError
from envd_magic.recipe.compose import base_name

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.engine.client import Engine

# Runs in the image, with whatever Python that has.
_PROGRAM = """
import json
from importlib import metadata
found = []
for one in metadata.distributions():
    try:
        direct = one.read_text("direct_url.json") is not None
        found.append([one.metadata["Name"], one.version, direct])
    except Exception:
        pass  # what a broken removal left
print("envd_magic:" + json.dumps([one for one in found if one[0] and one[1]]))
"""
_SHELL = 'exec "$(command -v python || command -v python3)" -c "$0"'


def installed_in(engine: Engine, image: str) -> dict[str, tuple[str, str, bool]]:
    """Give what an image has: name, version, and whether it came from no index, by canonical name.

    Raises
    ------
    CommandError
        If its Python cannot be asked.
    """
    said: list[str] = []
    code = run_command(engine, image, ["sh", "-c", _SHELL, _PROGRAM], said.append)
    line = next((one for one in "".join(said).splitlines() if one.startswith("envd_magic:")), None)
    if code or line is None:
        raise CommandError(f"the Python of {image} cannot be asked: {''.join(said)[-300:]}")
    found: list[Any] = json.loads(line.removeprefix("envd_magic:"))
    return {
        str(canonicalize_name(name)): (name, version, direct) for name, version, direct in found
    }


def pinned(spec: ImageSpec, engine: Engine, image: str) -> ImageSpec:
    """Give the spec with the exact versions that its build resolved, dependencies too.

    Parameters
    ----------
    spec
        What was built.
    engine
        Where its image is.
    image
        Its name or ID.
    """
    from envd_magic.engine.images import inspect
    from envd_magic.spec.cell import with_options

    has = installed_in(engine, image)
    base = base_name(spec)
    before = {} if _is_new(spec) or inspect(engine, base) is None else installed_in(engine, base)
    own = [item for item in spec.packages or () if _is_direct(item, has)]
    own_keys = {key for item in own if (key := _key(item))}
    wanted = {key for item in spec.packages or () if (key := _key(item))}
    pins = [
        f"{name}=={version}"
        for key, (name, version, direct) in has.items()
        if not direct and key not in own_keys and (before.get(key) != has[key] or key in wanted)
    ]
    changes: dict[str, Any] = {"packages": [*own, *sorted(pins, key=str.lower)]}
    fresh = with_options(spec, changes)
    if fresh.requirements is not None:
        # All that it asked for is among the packages now.
        import dataclasses

        fresh = dataclasses.replace(fresh, requirements=None)
    return fresh


def _is_new(spec: ImageSpec) -> bool:
    """Does the build make an environment of its own, in which nothing was before?"""
    return bool(spec.python_version or spec.conda_packages)


def _key(item: str) -> str:
    try:
        return str(canonicalize_name(Requirement(item).name))
    except InvalidRequirement:
        return ""


def _is_direct(item: str, has: dict[str, tuple[str, str, bool]]) -> bool:
    """Is it one that names its own place: a URL, a version in version control?"""
    key = _key(item)
    return not key or Requirement(item).url is not None or (key in has and has[key][2])

"""The Python of a base image, asked by one build for all that run at once."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from envd_magic.engine.containers import python_of
from envd_magic.pipeline.flight import alone
from envd_magic.recipe.compose import needs_python

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.engine.client import Engine
    from envd_magic.engine.containers import PythonOf
    from envd_magic.engine.images import ImageInfo
    from envd_magic.pipeline.log import BuildLog

# Seconds between two looks at another build that asks.
_MOMENT = 0.1


def base_python(engine: Engine, base: ImageInfo, log: BuildLog) -> PythonOf | None:
    """Give what a base image has; None if it could not be asked."""
    turn = partial(alone, f"Python of {base.id}", partial(log.rest, _MOMENT))
    return python_of(engine, base.id, turn)


def python_asked(spec: ImageSpec, engine: Engine, base: ImageInfo, log: BuildLog) -> str | None:
    """Give the version of a base image's Python, where that could be the one that is wanted."""
    wanted = spec.python_version
    if not wanted or needs_python(spec, wanted):
        return None
    known = base_python(engine, base, log)
    version = known.version if known else None
    if not needs_python(spec, version):
        log.line(f"python_version: the base image has Python {version}, and keeps it")
    return version

"""How to build, apart from what."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from flytekit import ImageSpec

    from envd_magic.pipeline.events import Listener
    from envd_magic.pipeline.stop import Stop

PUSH_VARIABLE = "FLYTE_PUSH_IMAGE_SPEC"


@dataclass(frozen=True)
class Options:
    """How to build, apart from what.

    Parameters
    ----------
    context
        Name of an envd context; None chooses as the docs say.
    push
        None pushes iff the spec has a registry and ``FLYTE_PUSH_IMAGE_SPEC`` lets it.
    force
        True builds even if the image is there.
    listener
        Is told every event as it comes.
    stop
        Stops the build from another thread.
    log_folder
        Where the log goes; None takes the usual place.
    telemetry
        True lets envd tell its makers of the build.
    pickled
        True if the tasks that will run in the image come from a notebook: flytekit pickles those,
        so Python and flytekit should be the same there and here.
    """

    context: str | None = None
    push: bool | None = None
    force: bool = False
    listener: Listener | None = None
    stop: Stop | None = None
    log_folder: Path | None = None
    telemetry: bool = False
    pickled: bool = False


def wants_push(spec: ImageSpec, push: bool | None = None) -> bool:  # noqa: FBT001
    """Is the image to be pushed?"""
    if not spec.registry:
        return False
    if push is not None:
        return push
    return os.environ.get(PUSH_VARIABLE, "true").strip().lower() in ("true", "1", "yes", "on")

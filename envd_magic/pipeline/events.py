"""What a build tells while it runs: one stream of typed events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from envd_magic.envd.progress import Output, StepCached, StepDone, StepFailed, StepStarted

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.pipeline.result import BuildResult


class Phase(Enum):
    """Where a build is; the value is what people read."""

    PREPARE = "Preparing"
    BASE = "Looking at the base image"
    BOOTSTRAP = "Setting up the builder"
    BUILD = "Building"
    FINISH = "Finishing the image"
    VERIFY = "Verifying"
    PUSH = "Pushing"
    DONE = "Done"


@dataclass(frozen=True)
class Started:
    """The build of an image has begun; a spec's base specs are built, and told, before it.

    Parameters
    ----------
    image
        Full name.
    expected
        How many steps it will have, about.
    log_file
        Where its log is written.
    """

    image: str
    expected: int
    log_file: Path | None = None


@dataclass(frozen=True)
class Finished:
    """The build of an image has ended, well or not: the last event of it."""

    result: BuildResult


@dataclass(frozen=True)
class PhaseChanged:
    """The build goes on to another phase."""

    phase: Phase
    detail: str = ""


@dataclass(frozen=True)
class Notice:
    """Something that the user should know and that stops nothing."""

    text: str


@dataclass(frozen=True)
class Tick:
    """Nothing new came for a moment: a good one to show what has gathered."""


StepEvent = StepStarted | StepCached | StepDone | StepFailed
Event: TypeAlias = "Started | Finished | PhaseChanged | Notice | Output | Tick | StepEvent"
Listener = Callable[[Event], None]

__all__ = [
    "Event",
    "Finished",
    "Listener",
    "Notice",
    "Output",
    "Phase",
    "PhaseChanged",
    "Started",
    "StepCached",
    "StepDone",
    "StepEvent",
    "StepFailed",
    "StepStarted",
    "Tick",
]

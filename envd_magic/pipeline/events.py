"""What a build tells while it runs: one stream of typed events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from envd_magic.envd.progress import Output, StepCached, StepDone, StepFailed, StepStarted


class Phase(Enum):
    """Where a build is; the value is what people read."""

    PREPARE = "Preparing"
    BASE = "Looking at the base image"
    BOOTSTRAP = "Setting up the builder"
    BUILD = "Building"
    FINISH = "Finishing the image"
    PUSH = "Pushing"
    DONE = "Done"


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


Event = PhaseChanged | Notice | Output | Tick | StepStarted | StepCached | StepDone | StepFailed
Listener = Callable[[Event], None]

__all__ = [
    "Event",
    "Listener",
    "Notice",
    "Output",
    "Phase",
    "PhaseChanged",
    "StepCached",
    "StepDone",
    "StepFailed",
    "StepStarted",
    "Tick",
]

"""Events and results of builds that never ran, for tests of what is shown."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.pipeline.events import (
    Output,
    Phase,
    PhaseChanged,
    Started,
    StepCached,
    StepDone,
    StepFailed,
    StepStarted,
)
from envd_magic.pipeline.result import BuildResult, Step

if TYPE_CHECKING:
    from envd_magic.pipeline.events import Event

IMAGE = "localhost:5000/trainer:abc"
STEPS = (
    Step("base image debian", "cached", field="base_image"),
    Step("install with uv", "done", 12.4, "packages"),
)
BUILT = BuildResult(
    image=IMAGE,
    digest="sha256:" + "0123" * 16,
    status="built",
    steps=STEPS,
    seconds=67.2,
    log_file=Path("/logs/trainer.log"),
    warnings=("packages: it is old",),
    pushed=True,
    size=123_456_789,
)
FAILED = BuildResult(
    image=IMAGE,
    digest="",
    status="failed",
    steps=(STEPS[0], Step("run the commands", "failed", 3.0, "commands")),
    seconds=5.0,
    log_file=Path("/logs/trainer.log"),
    error="The step failed",
)


def running(*more: Event) -> list[Event]:
    """Give the events of a build in its middle, and those that a test adds."""
    return [
        Started(IMAGE, 4),
        PhaseChanged(Phase.BUILD),
        StepStarted(1, "base image debian", "base_image", 1),
        StepCached(1, "base image debian", "base_image", 1),
        StepStarted(2, "install with uv", "packages", 1),
        Output("#2 0.1 Collecting attrs\n"),
        *more,
    ]


def done(number: int = 2, seconds: float = 1.5) -> StepDone:
    """Give the end of a step."""
    return StepDone(number, "install with uv", seconds, "packages", 1)


def failed(number: int = 2) -> StepFailed:
    """Give the failure of a step."""
    return StepFailed(number, "install with uv", "exit code: 1", "packages", 1)

"""What a build will do, as a value."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

CACHED, RUNS, UNKNOWN = "cached", "runs", "unknown"


@dataclass(frozen=True)
class PlannedStep:
    """One step of a build that has not begun.

    Parameters
    ----------
    name
        As the build's log will have it.
    field
        The ImageSpec field that it comes from, "" if it is envd's own.
    forecast
        :data:`CACHED`, :data:`RUNS` or :data:`UNKNOWN`.
    reason
        Why, in a few words.
    seconds
        How long it will run, by builds of the past; None where none tells.
    platform
        Which one it is built for.
    command
        What runs, secrets masked; "" where it is no program.
    """

    name: str
    field: str
    forecast: str
    reason: str = ""
    seconds: float | None = None
    platform: str = ""
    command: str = ""


@dataclass(frozen=True)
class Plan:
    """What a build will do.

    Parameters
    ----------
    image
        Full name of the image.
    exists
        True if the image is there: then nothing is done, and the steps are those of a forced build.
    steps
        In the order in which they are to run.
    changes
        What is asked for otherwise than in the image's last build, a text for each field; None
        where no build is known.
    notes
        What the user should know.
    base
        The plan of the spec that this one is based on.
    """

    image: str
    exists: bool
    steps: tuple[PlannedStep, ...]
    changes: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    base: Plan | None = None

    @property
    def seconds(self) -> float | None:
        """How long the steps will run, by builds of the past; None if that is not known."""
        running = [step for step in self.steps if step.forecast != CACHED and step.field]
        known = [step.seconds for step in running if step.seconds is not None]
        return sum(known) if len(known) == len(running) else None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON has it."""
        return {**asdict(self), "seconds": self.seconds}

"""What is known of a running build: its events, added up. Memory stays bounded."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from envd_magic.pipeline.events import (
    Finished,
    Notice,
    Output,
    Phase,
    PhaseChanged,
    Started,
    StepCached,
    StepDone,
    StepFailed,
    StepStarted,
)
from envd_magic.pipeline.result import Step
from envd_magic.view.lines import tidy

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envd_magic.pipeline.events import Event, StepEvent
    from envd_magic.pipeline.result import BuildResult

#: Lines of the log that a view shows, unless it is told otherwise.
TAIL = 12
# What a longer line has more is in the log's file.
_WIDEST = 300


@dataclass
class BuildState:
    """A build as its events tell it.

    Parameters
    ----------
    tail
        How many lines of the log to keep.
    """

    tail: int = TAIL
    image: str = ""
    phase: Phase = Phase.PREPARE
    detail: str = ""
    expected: int = 0
    log_file: Path | None = None
    lines: int = 0
    began: float | None = None
    """When it began; None while it waits for others."""
    notices: list[str] = field(default_factory=list)
    finished: list[BuildResult] = field(default_factory=list)
    """Results, those of the base specs first."""
    clock: Callable[[], float] = time.monotonic
    """Gives the time; a replay has its own."""
    _steps: dict[tuple[int, int], tuple[Step, float]] = field(default_factory=dict)
    _last: deque[str] = field(default_factory=deque)

    def take(self, event: Event) -> None:
        """Add one event."""
        if isinstance(event, Output):
            self._output(event.text)
        elif isinstance(event, (StepStarted, StepCached, StepDone, StepFailed)):
            self._step(event)
        elif isinstance(event, PhaseChanged):
            self.phase, self.detail = event.phase, event.detail
        elif isinstance(event, Notice):
            self.notices.append(event.text)
        elif isinstance(event, Started):
            self.image, self.expected = event.image, event.expected
            self.log_file = event.log_file
            if self.began is None:
                self.began = self.clock()
            self._steps.clear()
            self._last.clear()
        elif isinstance(event, Finished):
            self.finished.append(event.result)

    def _output(self, text: str) -> None:
        self.lines += text.count("\n")
        # Only the last lines are looked at, however many came at once.
        last = text.rstrip("\n").rsplit("\n", 2 * self.tail)[-2 * self.tail :]
        self._last.extend(tidy(line, _WIDEST) for line in last if line)
        while len(self._last) > self.tail:
            self._last.popleft()

    def _step(self, event: StepEvent) -> None:
        key = (event.run, event.number)
        began = self._steps[key][1] if key in self._steps else self.clock()
        status, seconds = "running", 0.0
        if isinstance(event, StepCached):
            status = "cached"
        elif isinstance(event, StepDone):
            status, seconds = "done", event.seconds
        elif isinstance(event, StepFailed):
            status = "stopped" if event.cancelled else "failed"
            seconds = self.clock() - began
        self._steps[key] = (Step(event.name, status, seconds, event.field), began)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps of the image that is being built; a running one with its time until now."""
        now = self.clock()
        return tuple(
            replace(step, seconds=now - began) if step.status == "running" else step
            for step, began in self._steps.values()
        )

    @property
    def log(self) -> tuple[str, ...]:
        """The last lines, as a terminal would show them at the end."""
        return tuple(self._last)

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return 0.0 if self.began is None else self.clock() - self.began

    @property
    def done(self) -> int:
        """How many steps have ended."""
        return sum(step.status != "running" for step, _ in self._steps.values())

    @property
    def progress(self) -> float:
        """How far it is, from 0 to 1, as far as that is known before the end."""
        if self.phase is Phase.DONE:
            return 1.0
        of = max(self.expected, len(self._steps)) + 2  # the finish and the push
        extra = {Phase.FINISH: 1, Phase.VERIFY: 1, Phase.PUSH: 1}.get(self.phase, 0)
        return min(0.99, (self.done + extra) / of)

    @property
    def result(self) -> BuildResult | None:
        """The last result, of a failed build too; None while it runs."""
        return self.finished[-1] if self.finished else None

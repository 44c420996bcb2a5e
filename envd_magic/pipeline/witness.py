"""Who listens to a build to say why it failed, if it does. Memory stays bounded."""

from __future__ import annotations

import re
from collections import deque
from typing import TYPE_CHECKING

from envd_magic.diagnosis.model import Failure
from envd_magic.pipeline.events import (
    Notice,
    Output,
    Phase,
    PhaseChanged,
    Started,
    StepFailed,
    StepStarted,
)

if TYPE_CHECKING:
    from envd_magic.pipeline.events import Event, Listener

# Characters of output that are kept, and lines that are looked at.
_ROOM = 1 << 17
_MOST = 600
# How the engine's words begin where a program has failed; the program's script follows.
_RAN = "executor failed running ["


class Witness:
    """Listens to a build, and passes its events on.

    Parameters
    ----------
    listener
        Who else listens.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._stage = Phase.PREPARE.value
        self._notices: list[str] = []
        self._begin()

    def _begin(self) -> None:
        """Have heard nothing of steps."""
        self._texts: deque[str] = deque()
        self._room = _ROOM
        self._failed: StepFailed | None = None

    def __call__(self, event: Event) -> None:
        """Take an event."""
        if isinstance(event, Output):
            self._keep(event.text)
        elif isinstance(event, PhaseChanged):
            self._stage = event.phase.value
        elif isinstance(event, StepFailed):
            if not event.cancelled and self._failed is None:
                self._failed = event
        elif isinstance(event, StepStarted):
            if self._failed is not None and event.run > self._failed.run:
                # What failed was tried again, and counts no more.
                self._begin()
        elif isinstance(event, Notice):
            self._notices.append(event.text)
        elif isinstance(event, Started):
            self._begin()
        if self._listener is not None:
            self._listener(event)

    def _keep(self, text: str) -> None:
        if self._failed is not None and self._failed.lines:
            # What comes now is the same once more, and the script.
            return
        self._texts.append(text[-_ROOM:])
        self._room -= len(self._texts[-1])
        while self._room < 0:
            self._room += len(self._texts.popleft())

    def failure(
        self,
        error: tuple[str, ...],
        message: str,
        problems: tuple[tuple[str, str | None, str], ...] = (),
    ) -> Failure:
        """Give what is known of the failure.

        Parameters
        ----------
        error
            Names of the exception's classes.
        message
            What it says, secrets masked.
        problems
            What is wrong with a spec that is refused.
        """
        step = self._failed
        return Failure(
            error,
            message,
            self._stage,
            step.name if step else "",
            step.field if step else "",
            self._step_lines(step) if step else self._last_lines(),
            tuple(self._notices),
            problems,
        )

    def _step_lines(self, step: StepFailed) -> tuple[str, ...]:
        """Give what the failed step printed, more than an error's message has of it."""
        own = re.compile(rf"^#{step.number} \d+\.\d+ (.*)$", re.MULTILINE)
        lines = own.findall("".join(self._texts))
        # A line without an end has the step's own after it.
        kept = [line for line in lines if not re.search(rf"#{step.number} ERROR: ", line)]
        if len(kept) < len(step.lines):
            kept = list(step.lines)
        if not kept and not step.error.startswith(_RAN):
            # A step that runs no program says nothing: the engine's own words tell why.
            kept = [step.error.strip()]
        return tuple(kept[-_MOST:])

    def _last_lines(self) -> tuple[str, ...]:
        return tuple("".join(self._texts).splitlines()[-40:])

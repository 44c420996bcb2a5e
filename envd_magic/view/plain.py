"""A build in plain lines as it runs: for scripts, logs, CI and notebooks that nobody watches."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TYPE_CHECKING

from envd_magic.pipeline.events import (
    Notice,
    Output,
    PhaseChanged,
    StepCached,
    StepDone,
    StepFailed,
)
from envd_magic.view.lines import plain, tidy

if TYPE_CHECKING:
    from collections.abc import Callable

    from envd_magic.pipeline.events import Event

# Seconds between two writes: a front end that gets every line by itself drowns.
_PAUSE = 0.2
# Lines kept of what came in one pause, and in all; the log has every one. Of what is left out, the
# last lines are printed when the flood ends.
_MOST = 1000
MOST_IN_ALL = 5000
_LAST = 10
# Seconds between two words of life while lines are left out.
_PATIENCE = 10.0
_ENDS = (StepCached, StepDone, StepFailed)


def printed(text: str) -> None:
    """Print a text as it is, now."""
    sys.stdout.write(text)
    sys.stdout.flush()


class PlainView:
    """Prints a build as it runs, in batches.

    Parameters
    ----------
    whole
        True prints every line as it comes; False leaves lines out of a flood.
    most
        Lines printed in all where some are left out, beside the last of each flood.
    write
        Takes what is printed; None prints it.
    """

    def __init__(
        self,
        *,
        whole: bool = False,
        most: int = MOST_IN_ALL,
        write: Callable[[str], None] | None = None,
    ) -> None:
        self._whole = whole
        self._print = write or printed
        self._texts: list[str] = []
        self._count = 0
        self._room = most
        self._left_out = 0
        self._last: deque[str] = deque(maxlen=_LAST)
        self._written = self._told = 0.0

    def __call__(self, event: Event) -> None:
        """Take one event."""
        if isinstance(event, Output):
            if self._whole:
                self._texts.append(event.text)
            else:
                self._add(event.text)
        elif isinstance(event, PhaseChanged):
            self._end_flood()
            detail = f": {event.detail}" if event.detail else ""
            self._texts.append(f"── {event.phase.value}{detail}\n")
        elif isinstance(event, Notice):
            self._texts.append(f"note: {event.text}\n")
        elif isinstance(event, _ENDS):
            self._end_flood()
        if self._whole or time.monotonic() - self._written > _PAUSE:
            self._write()

    def _add(self, text: str) -> None:
        room = max(0, min(_MOST - self._count, self._room))
        # A flood is not cut into lines that nobody will see.
        count = text.count("\n")
        kept = text.split("\n", room)[:room] if count > room else text[:-1].split("\n")
        if kept:
            self._end_flood()
        if count > room:
            self._last.extend(text[:-1].rsplit("\n", _LAST)[-min(_LAST, count - room) :])
        self._count += len(kept)
        self._room -= len(kept)
        self._left_out += count - len(kept)
        if kept:
            self._texts.append("".join(f"{plain(tidy(line))}\n" for line in kept))

    def _end_flood(self) -> None:
        """Say how many lines were left out, and give the last of them."""
        if left_out := self._left_out - len(self._last):
            self._texts.append(f"… {left_out} lines left out here; the log has them\n")
        self._texts += [f"{plain(tidy(line))}\n" for line in self._last]
        self._left_out = 0
        self._last.clear()

    def _write(self) -> None:
        now = time.monotonic()
        if self._left_out and now - self._told > _PATIENCE:
            self._texts.append(f"… {self._left_out} lines more; the log has them\n")
            self._told = now
        if self._texts:
            self._print("".join(self._texts))
        self._texts.clear()
        self._count = 0
        self._written = now

    def flush(self) -> None:
        """Print what has gathered; there is nothing more to come."""
        self._end_flood()
        self._write()


class Batches:
    """Prints text as it comes, in batches; a context manager that prints the last one."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._written = 0.0

    def __enter__(self) -> Batches:  # noqa: PYI034 - it has no subclasses
        return self

    def __exit__(self, *_: object) -> None:
        self.flush()

    def add(self, text: str) -> None:
        """Take some text."""
        self._texts.append(text)
        if time.monotonic() - self._written > _PAUSE:
            self.flush()

    def flush(self) -> None:
        """Print what has gathered."""
        if self._texts:
            printed("".join(self._texts))
        self._texts.clear()
        self._written = time.monotonic()

"""Builds as they run on the command line: on a terminal, in plain lines, as JSON."""

from __future__ import annotations

import json
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Protocol

from envd_magic.pipeline.events import Notice, PhaseChanged, StepCached, StepDone, StepFailed
from envd_magic.view.cards import STATES, duration
from envd_magic.view.display import PlainScreen, TerminalScreen, Viewer
from envd_magic.view.lines import plain
from envd_magic.view.state import BuildState
from envd_magic.view.text import card_text

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envd_magic.headless.building import Task
    from envd_magic.pipeline.events import Event
    from envd_magic.view.display import Screen


class Progress(Protocol):
    """Where builds are shown."""

    def listener(self, task: Task) -> Callable[[Event], None]:
        """Give what listens to one build, on its thread."""

    def finished(self, task: Task) -> None:
        """Show what came of one."""

    def tick(self) -> None:
        """Show how far all are."""

    def close(self) -> None:
        """End the show."""


def choose_progress(tasks: Sequence[Task], *, as_json: bool) -> Progress:
    """Give what suits what is asked for, how many there are, and where it goes."""
    if as_json:
        return JsonProgress()
    if len(tasks) == 1:
        return OneProgress()
    return LiveProgress(tasks) if sys.stdout.isatty() else PlainProgress()


def one_screen() -> Screen:
    """Give where one build is shown: a terminal, or lines."""
    return TerminalScreen() if sys.stdout.isatty() else PlainScreen()


class OneProgress:
    """One build, shown as a magic shows it in a terminal or a script."""

    def __init__(self) -> None:
        self._viewers: dict[str, Viewer] = {}

    def listener(self, task: Task) -> Callable[[Event], None]:
        """Give what listens to one build."""
        return self._viewers.setdefault(task.name, Viewer(one_screen(), name=task.name))

    def finished(self, task: Task) -> None:
        """Show the end of one."""
        if task.card is not None:
            self._viewers[task.name].finish(task.card)

    def tick(self) -> None:
        """Leave it: the build's own events show it."""

    def close(self) -> None:
        """Leave it."""


class JsonProgress:
    """An object a line for each event; what came of a build is the event `finished`."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def listener(self, task: Task) -> Callable[[Event], None]:
        """Give what listens to one build."""
        from envd_magic.pipeline.as_json import to_json

        began = time.monotonic()
        own = {"build": task.name, "path": str(task.path), "cell": task.definitions[0][0].cell}

        def listen(event: Event) -> None:
            told = to_json(event)
            if told is not None:
                self._print({**own, "at": round(time.monotonic() - began, 3), **told})

        return listen

    def _print(self, value: dict[str, Any]) -> None:
        with self._lock:
            sys.stdout.write(f"{json.dumps(value)}\n")
            sys.stdout.flush()

    def finished(self, task: Task) -> None:
        """Show the end of one."""
        if task.card is not None:
            ended = {"build": task.name, "event": "ended", "path": str(task.path)}
            self._print({**ended, "status": task.card.state, "error": task.card.cause})

    def tick(self) -> None:
        """Leave it."""

    def close(self) -> None:
        """Leave it."""


class PlainProgress:
    """A line for each phase and each step that has ended; each build's lines begin with its name.

    The lines that steps write are in the logs.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def listener(self, task: Task) -> Callable[[Event], None]:
        """Give what listens to one build."""

        def listen(event: Event) -> None:
            if text := _line(event):
                self._print(f"[{task.name}] {text}")

        return listen

    def _print(self, text: str) -> None:
        with self._lock:
            print(plain(text), flush=True)

    def finished(self, task: Task) -> None:
        """Show the end of one."""
        with self._lock:
            print(ending(task), flush=True)

    def tick(self) -> None:
        """Leave it."""

    def close(self) -> None:
        """Leave it."""


def _line(event: Event) -> str:
    if isinstance(event, PhaseChanged):
        return f"{event.phase.value}: {event.detail}" if event.detail else event.phase.value
    if isinstance(event, Notice):
        return f"note: {event.text}"
    if isinstance(event, StepDone):
        return f"{duration(event.seconds)}  {event.name}"
    if isinstance(event, StepCached):
        return f"CACHED  {event.name}"
    return f"FAILED  {event.name}" if isinstance(event, StepFailed) else ""


def ending(task: Task) -> str:
    """Give the end of a build: a line where all went well, else all that is known."""
    card = task.card
    if card is None:
        return ""
    if card.state == "failed":
        return card_text(card)
    result = task.result
    digest = f"  {result.digest[:19]}" if result and result.digest else ""
    took = f"  {duration(result.seconds)}" if result else ""
    return f"{card.heading}{digest}{took}"


class LiveProgress:
    """A bar for each build on a terminal, and what came of each above them.

    Parameters
    ----------
    tasks
        All, in the order of their bars.
    """

    def __init__(self, tasks: Sequence[Task]) -> None:
        from rich.console import Console
        from rich.live import Live

        self._lock = threading.Lock()
        self._states = {id(task): (task, BuildState()) for task in tasks}
        self._console = Console(file=sys.stdout)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._live.start()

    def listener(self, task: Task) -> Callable[[Event], None]:
        """Give what listens to one build."""
        _, state = self._states[id(task)]

        def listen(event: Event) -> None:
            with self._lock:
                state.take(event)

        return listen

    def finished(self, task: Task) -> None:
        """Show the end of one."""
        from rich.text import Text

        from envd_magic.view.terminal import card_rich

        self._states.pop(id(task), None)
        if task.card is not None and task.card.state == "failed":
            self._console.print(card_rich(task.card))
        else:
            self._console.print(Text(plain(ending(task))))

    def tick(self) -> None:
        """Draw all bars."""
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        table = Table.grid(padding=(0, 2))
        with self._lock:
            for task, state in self._states.values():
                waits = state.began is None
                where = "Waiting" if waits else f"{state.phase.value} {duration(state.seconds)}"
                step = next((s.name for s in reversed(state.steps) if s.status == "running"), "")
                table.add_row(
                    Text(plain(task.name), no_wrap=True),
                    ProgressBar(total=1.0, completed=0 if waits else state.progress, width=24),
                    Text(where, no_wrap=True),
                    Text(plain(step), style="dim", no_wrap=True, overflow="ellipsis"),
                )
        self._live.update(table, refresh=True)

    def close(self) -> None:
        """Take the bars away."""
        self._live.stop()


def summary(tasks: Sequence[Task]) -> str:
    """Count what came of all: ``2 built, 1 failed``."""
    states = [task.card.state for task in tasks if task.card is not None]
    counts = [(STATES[state].lower(), states.count(state)) for state in STATES]
    left = len(tasks) - len(states)
    told = [f"{count} {name}" for name, count in counts if count]
    return ", ".join([*told, f"{left} not begun"] if left else told) or "nothing to build"

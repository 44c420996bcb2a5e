"""Where cards are shown: one place in a notebook, a live terminal, or plain lines.

A :class:`Viewer` listens to a build, adds its events up and shows the card now and then; which
kind of screen there is decides the :class:`Screen`.
"""

from __future__ import annotations

import sys
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Protocol

from envd_magic.pipeline.events import Tick
from envd_magic.view.cards import running_card
from envd_magic.view.html import card_html
from envd_magic.view.plain import MOST_IN_ALL, PlainView
from envd_magic.view.state import TAIL, BuildState
from envd_magic.view.text import card_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from envd_magic.pipeline.events import Event
    from envd_magic.view.cards import Card

# Seconds between two pictures: at most five a second; one where only time goes on.
_PAUSE = 0.2
_IDLE_PAUSE = 1.0
_MOST_SAVED = 1000


class Screen(Protocol):
    """Where the card of one build is shown."""

    #: How a user stops the build from here.
    hint: str

    def event(self, event: Event) -> None:
        """Take an event, for screens that show lines."""

    def update(self, card: Card) -> None:
        """Show the build as it is now."""

    def finish(self, card: Card) -> None:
        """Show what came of it, for good."""


class NotebookScreen:
    """One output of a cell, replaced at each update; the cell keeps the last one.

    Parameters
    ----------
    shell
        The kernel's.
    hint
        How a user stops the build from here.
    """

    def __init__(self, shell: Any, hint: str) -> None:
        self.hint = hint
        self._publisher = shell.display_pub
        self._id = f"envd_magic-{uuid.uuid4().hex}"
        self._shown = False

    def event(self, event: Event) -> None:
        """Leave it: the card has the last lines."""

    def update(self, card: Card) -> None:
        """Replace the output."""
        data = {"text/plain": card_text(card), "text/html": str(card_html(card))}
        # The publisher itself, since `display` looks for one in the thread that it is called in.
        self._publisher.publish(
            data=data, metadata={}, transient={"display_id": self._id}, update=self._shown
        )
        self._shown = True

    finish = update


class TerminalScreen:
    """A terminal: the card is drawn anew in place."""

    hint = "Ctrl-C stops it"

    def __init__(self) -> None:
        from rich.console import Console
        from rich.live import Live

        self._console = Console(file=sys.stdout)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._started = False

    def event(self, event: Event) -> None:
        """Leave it: the card has the last lines."""

    def update(self, card: Card) -> None:
        """Draw the card."""
        from envd_magic.view.terminal import card_rich

        if not self._started:
            self._live.start()
            self._started = True
        self._live.update(card_rich(card, height=self._console.height), refresh=True)

    def finish(self, card: Card) -> None:
        """Draw the last card, to stay."""
        from envd_magic.view.terminal import card_rich

        if self._started:
            self._live.stop()
        self._console.print(card_rich(card))


class PlainScreen:
    """Lines as they come, and the result: for logs and for notebooks that nobody watches.

    Parameters
    ----------
    shell
        A kernel's, whose notebook gets the result as HTML too; None prints text.
    write
        Takes the lines; None prints them.
    """

    hint = ""

    def __init__(self, shell: Any = None, write: Callable[[str], None] | None = None) -> None:
        # A notebook that is saved carries its lines around.
        most = MOST_IN_ALL if shell is None else _MOST_SAVED
        self._view = PlainView(most=most, write=write)
        self._notebook = NotebookScreen(shell, "") if shell is not None else None

    def event(self, event: Event) -> None:
        """Print it, in batches."""
        self._view(event)

    def update(self, card: Card) -> None:
        """Leave it: the lines tell."""

    def finish(self, card: Card) -> None:
        """Show the result."""
        self._view.flush()
        if self._notebook is not None:
            self._notebook.finish(card)
        else:
            print(card_text(card), flush=True)


class QuietScreen:
    """Nothing until the end.

    Parameters
    ----------
    screen
        Where the end is shown.
    """

    hint = ""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen

    def event(self, event: Event) -> None:
        """Leave it."""

    def update(self, card: Card) -> None:
        """Leave it."""

    def finish(self, card: Card) -> None:
        """Show the end."""
        self._screen.finish(card)


def is_kernel(shell: Any) -> bool:
    """Is the shell a kernel's, whose outputs a front end shows?"""
    return hasattr(shell, "kernel")


def is_watched(shell: Any) -> bool:
    """Is there a person before the notebook? Programs that run one allow no input."""
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return False
    parent = kernel.get_parent("shell") or {}
    return bool(parent.get("content", {}).get("allow_stdin", True))


def choose_screen(shell: Any, hint: str, write: Callable[[str], None] | None = None) -> Screen:
    """Give the screen that suits where the shell runs.

    Parameters
    ----------
    shell
        IPython's.
    hint
        How a user stops the build from here.
    write
        Takes plain lines; None prints them.
    """
    if is_watched(shell):
        return NotebookScreen(shell, hint)
    if is_kernel(shell):
        return PlainScreen(shell, write)
    if sys.stdout.isatty():
        return TerminalScreen()
    return PlainScreen(write=write)


class Viewer:
    """Listens to a build and shows it.

    Parameters
    ----------
    screen
        Where.
    tail
        How many lines of the log to show.
    name
        What the build is called before it has begun.
    at_once
        How many are shown running at once, this one too.
    """

    def __init__(self, screen: Screen, tail: int = TAIL, name: str = "…", at_once: int = 1) -> None:
        self.screen = screen
        self._name = name
        self._at_once = at_once
        self.state = BuildState(tail=tail)
        self._others: list[Screen] = []
        self._last: Card | None = None
        self._shown = 0.0
        self._news = False
        # Others join and leave on another thread than the build's.
        self._lock = threading.RLock()

    @property
    def finished(self) -> bool:
        """Is what came of it shown?"""
        return self._last is not None

    @property
    def shown(self) -> bool:
        """Is anything of it shown?"""
        return self._shown > 0 or self.finished

    def __call__(self, event: Event) -> None:
        """Take one event of the build."""
        with self._lock:
            self.state.take(event)
            self.screen.event(event)
            # Between a flood's lines there is no tick, and what came last is to be seen soon.
            pause = _IDLE_PAUSE if isinstance(event, Tick) and not self._news else _PAUSE
            self._news = self._news or not isinstance(event, Tick)
            # Several screens share the pictures of a second: a front end has all of them to draw.
            shared = _PAUSE * (self._at_once + len(self._others))
            if time.monotonic() - self._shown >= max(pause, shared):
                self.show()

    def show(self) -> None:
        """Show the build as it is now."""
        with self._lock:
            for screen in (self.screen, *self._others):
                self._show_on(screen, screen.hint)
            self._news = False
            # The time that showing takes is the front end's to have as well.
            self._shown = time.monotonic()

    def _show_on(self, screen: Screen, hint: str) -> None:
        screen.update(running_card(self.state, hint, self._name))

    def finish(self, card: Card) -> None:
        """Show what came of it."""
        with self._lock:
            self._last = card
            for screen in (self.screen, *self._others):
                screen.finish(card)
            self._others.clear()

    def join(self, screen: Screen) -> None:
        """Show the build on one more screen from now on; one that has ended is shown at once."""
        with self._lock:
            if self._last is not None:
                screen.finish(self._last)
                return
            # In this order: one whose showing is interrupted is to get its last hint too.
            self._others.append(screen)
            self._show_on(screen, screen.hint)

    def leave(self, screen: Screen, hint: str) -> None:
        """Let a screen stay as it is now, with a last hint; one that shows the end has that."""
        with self._lock:
            if screen in self._others:
                self._others.remove(screen)
                self._show_on(screen, hint)

"""Builds that run at the same time where there is one place to show them: each has its turn."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from envd_magic.view.display import choose_screen
from envd_magic.view.plain import printed

if TYPE_CHECKING:
    from envd_magic.pipeline.events import Event
    from envd_magic.view.cards import Card


class TurnScreen:
    """A screen for a build's thread that shows nothing before the build has its turn.

    Parameters
    ----------
    shell
        IPython's.
    hint
        How a user stops the build.
    """

    def __init__(self, shell: Any, hint: str) -> None:
        self._lock = threading.Lock()
        self._texts: list[str] = []
        self._shows = False
        # A flood is cut before it comes here.
        self._screen = choose_screen(shell, hint, self._take)
        self.hint = self._screen.hint
        self._card: Card | None = None
        self._last: Card | None = None

    def _take(self, text: str) -> None:
        if self._shows:
            printed(text)
        else:
            self._texts.append(text)

    def event(self, event: Event) -> None:
        """Take an event."""
        with self._lock:
            self._screen.event(event)

    def update(self, card: Card) -> None:
        """Keep the newest picture."""
        with self._lock:
            self._card = card

    def finish(self, card: Card) -> None:
        """Keep what came of it."""
        with self._lock:
            self._last = card

    def show(self) -> bool:
        """Show what there is, on the thread of the shell; tell whether that was the end."""
        with self._lock:
            printed("".join(self._texts))
            self._texts.clear()
            last, card, self._card = self._last, self._card, None
            if last is not None:
                self._shows = True
                self._screen.finish(last)
            elif card is not None:
                self._screen.update(card)
            return last is not None


class Turns:
    """The screens of several builds, shown one after another."""

    def __init__(self) -> None:
        self._screens: list[TurnScreen] = []

    def take(self, shell: Any, hint: str) -> TurnScreen:
        """Give the screen of one more build; see :class:`TurnScreen`."""
        screen = TurnScreen(shell, hint)
        self._screens.append(screen)
        return screen

    def show(self) -> None:
        """Show whose turn it is, and all whose turn comes with that."""
        while self._screens and self._screens[0].show():
            self._screens.pop(0)

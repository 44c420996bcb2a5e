"""Stopping a build that runs on another thread than the one that wants it stopped."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Stop:
    """A wish that a build ends; the build looks at it at every event, and when none comes."""

    def __init__(self) -> None:
        self._wished = threading.Event()
        self._wakers: list[Callable[[], None]] = []

    def ask(self) -> None:
        """Ask the build to stop; it does within a second."""
        self._wished.set()
        for wake in tuple(self._wakers):
            wake()

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Let the wish wake up a build that waits for somebody's answer inside."""
        self._wakers.append(wake)
        try:
            yield
        finally:
            self._wakers.remove(wake)

    @property
    def asked(self) -> bool:
        """Was it asked?"""
        return self._wished.is_set()

    def rest(self, seconds: float) -> None:
        """Wait, or stop here if that is asked meanwhile.

        Raises
        ------
        KeyboardInterrupt
            As :meth:`check`.
        """
        self._wished.wait(seconds)
        self.check()

    def check(self) -> None:
        """Stop here if that was asked.

        Raises
        ------
        KeyboardInterrupt
            As if the user had pressed the stop button.
        """
        if self._wished.is_set():
            raise KeyboardInterrupt

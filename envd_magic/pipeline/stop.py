"""Stopping a build that runs on another thread than the one that wants it stopped."""

from __future__ import annotations

import threading


class Stop:
    """A wish that a build ends; the build looks at it at every event, and when none comes."""

    def __init__(self) -> None:
        self._wished = threading.Event()

    def ask(self) -> None:
        """Ask the build to stop; it does within a second."""
        self._wished.set()

    @property
    def asked(self) -> bool:
        """Was it asked?"""
        return self._wished.is_set()

    def check(self) -> None:
        """Stop here if that was asked.

        Raises
        ------
        KeyboardInterrupt
            As if the user had pressed the stop button.
        """
        if self._wished.is_set():
            raise KeyboardInterrupt

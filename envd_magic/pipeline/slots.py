"""Places to work in, fewer than there are workers."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Slots:
    """Bounds how many work at once; who waits for others leaves its place to somebody else.

    Whoever has waited works on at once, and nobody else begins until there is a place again: what
    has its longest part behind it does not wait for what began later.

    Parameters
    ----------
    most
        How many places there are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        lock = threading.RLock()
        self._free = threading.Condition(lock)
        #: Told of each change; whoever changes something that others wait for here tells it too.
        self.changed = threading.Condition(lock)
        self._working = self._coming = 0

    @property
    def idle(self) -> bool:
        """Does nobody work, or wait for a place to work in?"""
        return not self._working and not self._coming

    @contextmanager
    def held(self) -> Iterator[None]:
        """Work in a place; wait for one."""
        with self._free:
            self._coming += 1
            self._free.wait_for(lambda: self._working < self.most)
            self._coming -= 1
            self._working += 1
        try:
            yield
        finally:
            self._give()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Leave the place that one works in, to wait for others."""
        self._give()
        try:
            yield
        finally:
            with self.changed:
                self._working += 1

    def _give(self) -> None:
        with self.changed:
            self._working -= 1
            self._free.notify()
            self.changed.notify_all()

"""Several builds at once, bounded, on threads; an interrupt of the thread that waits ends them."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from envd_magic.pipeline.slots import Slots
from envd_magic.pipeline.together import Together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Item = TypeVar("Item")

# Seconds between two looks at those that run.
_TICK = 0.2
# Seconds that stopped builds get to end.
_LONG = 10.0
# Items that wait for others, beside those that are worked on.
_WAITING = 8


class AtOnce(Generic[Item]):
    """Works on items, in their order, several at once.

    Parameters
    ----------
    most
        How many at once; what leaves its slot to wait for others is not counted.
    do
        Is called with each item, and where builds at once meet, on a thread.
    stop
        Ends what is being done, soon.
    """

    def __init__(
        self, most: int, do: Callable[[Item, Together], None], stop: Callable[[], None]
    ) -> None:
        self._slots = Slots(most)
        self._together = Together(self._slots)
        self._do = do
        self._stop = stop
        self._waiting: SimpleQueue[Item] = SimpleQueue()
        self._ended: SimpleQueue[tuple[Item, BaseException | None]] = SimpleQueue()
        self._over = threading.Event()

    def run(
        self,
        items: Iterable[Item],
        done: Callable[[Item], None] = lambda _: None,
        tick: Callable[[], None] = lambda: None,
    ) -> None:
        """Work on all items, and wait for the end.

        Parameters
        ----------
        items
            What to work on.
        done
            Is called here with each that is done, in the order of their ends.
        tick
            Is called here now and then.

        Raises
        ------
        KeyboardInterrupt
            If it was interrupted; what had begun has ended then, the rest is not begun.
        """
        count = 0
        for item in items:
            self._waiting.put(item)
            count += 1
        # One at a time is one after the other.
        most = self._slots.most + (_WAITING if self._slots.most > 1 else 0)
        threads = [
            threading.Thread(target=self._serve, name=f"envd_magic-at-once-{number}", daemon=True)
            for number in range(min(most, count))
        ]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads) or not self._ended.empty():
                with suppress(Empty):
                    self._take(done, _TICK)
                tick()
        except BaseException:
            self._over.set()
            self._stop()
            _wait_for(threads)
            while not self._ended.empty():
                self._take(done, 0)
            raise

    def _take(self, done: Callable[[Item], None], patience: float) -> None:
        item, error = self._ended.get(timeout=patience)
        if error is not None:
            raise error
        done(item)

    def _serve(self) -> None:
        while True:
            with self._slots.held():
                if self._over.is_set():
                    return
                try:
                    item = self._waiting.get_nowait()
                except Empty:
                    return
                error = None
                try:
                    self._do(item, self._together)
                except BaseException as raised:  # noqa: BLE001 - raised where the end is waited for
                    error = raised
            self._ended.put((item, error))


def _wait_for(threads: list[threading.Thread]) -> None:
    """Wait until stopped threads have ended, further interrupts or not."""
    deadline = time.monotonic() + _LONG
    while any(thread.is_alive() for thread in threads) and time.monotonic() < deadline:
        # An interrupt now says what has been said.
        with suppress(KeyboardInterrupt):
            time.sleep(_TICK / 10)

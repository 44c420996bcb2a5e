"""What killed processes and gone engines have left, taken away beside a build."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from envd_magic.engine import containers, images, sources
from envd_magic.errors import EngineError
from envd_magic.owner import is_abandoned
from envd_magic.paths import cache_folder
from envd_magic.pipeline import flight, folders

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from envd_magic.engine.client import Engine

# Private names of this process that an engine has not given up, each after the engine's host, and
# those that a build is taking away at this moment.
_KEPT: set[tuple[str, str]] = set()
_GOING: set[tuple[str, str]] = set()
_SWEEPING = threading.Lock()
# An engine with many images takes seconds to list them: sweeping takes no more than this part of
# the time, however many builds and processes there are. Seconds that are waited at most.
_PART = 0.01
_LONGEST = 3600.0
# Seconds between looks for the names of a build that was given up: an engine ends a commit that it
# has begun, and names it then.
_LATER = (1.0, 2.0, 4.0, 8.0, 16.0)


class Leftovers:
    """Takes away on threads: an engine with many images, or a slow one, takes its time."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._own: set[tuple[str, str]] = set()

    def remove(self, names: Sequence[str], engine: Engine, *, given_up: bool) -> None:
        """Begin to take private names out of an engine; a later build does what it does not do.

        Parameters
        ----------
        names
            The names, of which some may not have come to be.
        engine
            Where they are.
        given_up
            Did the build not wait for all that it had asked of the engine? Names that come later
            are taken out too, and nobody waits for that.
        """
        if names:
            place = engine.address.host
            own = {(place, name) for name in names}
            self._own.update(own)
            _KEPT.update(own)
            with suppress(EngineError):
                beside = engine.beside()
                _GOING.update(own)
                self._begin(lambda: _remove_own(place, beside, own))
                if given_up:
                    later = engine.beside()
                    _on_thread(lambda: _remove_later(place, later, tuple(names)))

    def forget(self, engine: Engine) -> None:
        """Begin to let an engine forget the folders in which credentials were sent."""
        with suppress(EngineError):
            beside = engine.beside()
            self._begin(lambda: _forget(beside))

    def sweep(self, engine: Engine | None) -> None:
        """Begin to take away what dead processes have left.

        Parameters
        ----------
        engine
            The engine to sweep as well, if there is one.
        """
        place, beside = ("", None) if engine is None else (engine.address.host, engine.beside())
        self._begin(lambda: _sweep(place, beside))

    def _begin(self, do: Callable[[], None]) -> None:
        self._threads.append(_on_thread(do))

    def wait(self, seconds: float) -> bool:
        """Wait for the end, but no longer than that; tell whether all is done."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return _KEPT.isdisjoint(self._own)


def _on_thread(do: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=do, name="envd_magic-leftovers", daemon=True)
    thread.start()
    return thread


@contextmanager
def _closed(engine: Engine) -> Iterator[None]:
    """Close a connection after it; what it does not do now is done for a later build."""
    try:
        with suppress(EngineError):
            yield
    finally:
        engine.close()


def _remove_own(place: str, engine: Engine, own: set[tuple[str, str]]) -> None:
    try:
        _remove(place, engine, own)
    finally:
        _GOING.difference_update(own)


def _remove_kept(place: str, engine: Engine) -> None:
    """Remove what builds that have ended did not."""
    _remove(place, engine, {one for one in _KEPT - _GOING if one[0] == place})


def _remove(place: str, engine: Engine, kept: set[tuple[str, str]]) -> None:
    with _closed(engine):
        # An image that a container has keeps its name.
        containers.remove_left(engine, place)
        images.untag(engine, [name for _, name in kept])
        _KEPT.difference_update(kept)


def _remove_later(place: str, engine: Engine, names: Sequence[str]) -> None:
    for pause in _LATER:
        time.sleep(pause)
        with _closed(engine):
            containers.remove_left(engine, place)
            names = images.untag(engine, names)
        if not names:
            return


def _forget(engine: Engine) -> None:
    with _closed(engine):
        sources.forget_folders(engine)


def _sweep(place: str, engine: Engine | None) -> None:
    # What lies here tells that a process has died, and left something in the engine too.
    died = folders.sweep()
    flight.sweep()
    # One at a time: builds that begin together would all find the same.
    if engine is None or not _SWEEPING.acquire(blocking=died):
        return
    try:
        _remove_kept(place, engine)
        turn = _Turn(place)
        if died or turn.come:
            with turn.taken(), _closed(engine):
                _sweep_engine(engine)
    finally:
        _SWEEPING.release()


def _sweep_engine(engine: Engine) -> None:
    names = images.own_names(engine)
    private = [name for name in names if not name.startswith(f"{images.DEPENDENCIES}:")]
    images.untag(engine, filter(is_abandoned, private))
    images.untag(engine, images.old_dependencies(engine, names))
    containers.sweep(engine)


class _Turn:
    """When an engine may be swept again, by whichever process: a file's time tells it."""

    def __init__(self, place: str) -> None:
        name = hashlib.sha256(place.encode()).hexdigest()[:16]
        self._path = cache_folder() / "swept" / name

    @property
    def come(self) -> bool:
        try:
            wait = self._path.stat().st_mtime - time.time()
        except OSError:
            return True
        # A longer one is a clock's that was set.
        return not 0 < wait <= _LONGEST

    @contextmanager
    def taken(self) -> Iterator[None]:
        began = time.time()
        try:
            yield
        finally:
            now = time.time()
            again = now + min((now - began) / _PART, _LONGEST)
            # Where it cannot be kept, the next build sweeps too.
            with suppress(OSError):
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                self._path.touch()
                os.utime(self._path, (again, again))

"""One build of an image at a time: who asks for the same meanwhile waits, and takes its result.

The lock is a file that is there while somebody builds, locked by the system (``flock``): it keeps
apart threads and processes of a user, and ends with the process that holds it, however that ends.
Who waits has the file open, and reads in it what came of the build when its name is gone.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError
from envd_magic.paths import cache_folder, lock, unusable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_MOST_BYTES = 4096
# Seconds after which a file that nobody has locked was left by a process that was killed.
_OLD = 60.0


class Turn:
    """The right to build an image, while nobody else of this user does.

    Parameters
    ----------
    handle
        The file that is locked.
    before
        What the build that was waited for has made: the digest of its recipe; "" if it has made
        nothing, or if nobody was waited for.
    """

    def __init__(self, handle: int, before: str) -> None:
        self._handle = handle
        self.before = before

    def made(self, recipe: str) -> None:
        """Tell those who wait what was made: the digest of a recipe."""
        # Who does not hear it, as where the disk is full, builds it again.
        with suppress(OSError):
            os.pwrite(self._handle, recipe.encode(), 0)


@contextmanager
def alone(name: str, wait: Callable[[], None]) -> Iterator[Turn]:
    """Build while nobody else of this user builds the same.

    Parameters
    ----------
    name
        What is built, and where.
    wait
        Is called again and again while somebody else builds it; rests a moment each time.

    Raises
    ------
    EnvdMagicError
        If the cache folder cannot be written to.
    """
    folder = cache_folder() / "building"
    path = folder / hashlib.sha256(name.encode()).hexdigest()[:32]
    before = ""
    while True:
        handle = _open(path)
        try:
            waited = _lock(handle, path, wait)
            if _is_at(handle, path):
                os.ftruncate(handle, 0)
                try:
                    yield Turn(handle, before)
                finally:
                    # Before the lock ends, so that nobody who comes later takes it for theirs.
                    path.unlink(missing_ok=True)
                    # A process that was forked meanwhile holds the file, and with it the lock.
                    fcntl.flock(handle, fcntl.LOCK_UN)
                return
            if waited:
                before = os.pread(handle, _MOST_BYTES, 0).decode("ascii", "replace") or before
        finally:
            os.close(handle)


def sweep() -> None:
    """Delete the files of builds whose process was killed, of images that nobody builds again."""
    for path in (cache_folder() / "building").glob("*"):
        # Somebody may delete it, or lock it, meanwhile.
        with suppress(OSError, EnvdMagicError):
            if time.time() - path.stat().st_mtime > _OLD:
                _delete(path)


def _delete(path: Path) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        lock(handle, path, wait=False)
        if _is_at(handle, path):
            path.unlink()
    finally:
        os.close(handle)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(mode=0o700, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise unusable(path, error) from error


def _lock(handle: int, path: Path, wait: Callable[[], None]) -> bool:
    """Lock a file; tell whether somebody else had it."""
    waited = False
    while True:
        with suppress(BlockingIOError):
            lock(handle, path, wait=False)
            return waited
        waited = True
        wait()


def _is_at(handle: int, path: Path) -> bool:
    """Is an open file still the one of this name? Who builds takes the name away at the end."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False

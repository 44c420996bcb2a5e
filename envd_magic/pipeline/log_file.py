"""The file of a build's log: readable by nobody else, and complete however the process ends."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

from envd_magic.paths import unusable

if TYPE_CHECKING:
    from pathlib import Path


class LogFile:
    """A new file that is written to at once: what is in no memory no kill can lose.

    Parameters
    ----------
    path
        Where.

    Raises
    ------
    EnvdMagicError
        If it cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except OSError as error:
            raise unusable(path, error) from error
        self._is_open = True

    def write(self, text: str) -> str:
        """Write; give why that cannot be done, the first time that it cannot."""
        if not self._is_open:
            return ""
        rest = memoryview(text.encode("utf-8", "backslashreplace"))
        try:
            while rest:
                rest = rest[os.write(self._handle, rest) :]
        except OSError as error:
            self.close()
            return error.strerror or str(error)
        return ""

    def close(self) -> None:
        """Write no more."""
        if self._is_open:
            self._is_open = False
            with suppress(OSError):
                os.close(self._handle)

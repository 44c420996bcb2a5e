"""Folders that this package keeps, and what says where they are."""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

import platformdirs

from envd_magic.errors import EnvdMagicError
from envd_magic.owner import private_name

#: Names one folder for all that is kept, in place of the platform's own ones.
HOME_VARIABLE = "ENVD_MAGIC_HOME"


def cache_folder() -> Path:
    """Folder for what can be made again: envd's homes."""
    return _private("cache", platformdirs.user_cache_dir("envd_magic"))


def log_folder() -> Path:
    """Folder of the logs of builds."""
    return _private("log", platformdirs.user_log_dir("envd_magic"))


def data_folder() -> Path:
    """Folder for what cannot be made again: the history of builds."""
    return _private("data", platformdirs.user_data_dir("envd_magic"))


def recording_folder() -> Path:
    """Folder of the recordings of the last builds."""
    return _private(
        "recordings", str(Path(platformdirs.user_cache_dir("envd_magic"), "recordings"))
    )


def upload_folder() -> Path:
    """Folder of files that came from a browser."""
    return _private("upload", str(Path(platformdirs.user_data_dir("envd_magic"), "upload")))


def _private(name: str, default: str) -> Path:
    own = os.environ.get(HOME_VARIABLE)
    path = Path(own).expanduser() / name if own else Path(default)
    if not path.is_absolute():
        raise EnvdMagicError(
            f"{HOME_VARIABLE}: {own!r} is no absolute path: builds work in folders of their own"
        )
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(path, error) from error
    return path


def keep(path: Path, text: str) -> None:
    """Write a file of the cache, whole or not at all: several processes may do so at once.

    What cannot be kept, as on a full disk, is found out anew by a later build.
    """
    new = path.with_suffix(f".{private_name()}")
    try:
        path.parent.mkdir(exist_ok=True)
        new.write_text(text, encoding="utf-8")
        new.replace(path)
    except OSError:
        with suppress(OSError):
            new.unlink(missing_ok=True)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, readable by nobody else.

    Raises
    ------
    EnvdMagicError
        If it cannot be written.
    """
    name = None
    try:
        handle, name = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(path)
    except OSError as error:
        if name is not None:
            Path(name).unlink(missing_ok=True)
        raise unusable(path, error) from error


def lock(file: int | IO[str], path: Path, *, wait: bool = True) -> None:
    """Lock a file until it is closed, as the system locks (``flock``).

    Raises
    ------
    BlockingIOError
        If somebody else has it locked, and that is not to be waited for.
    EnvdMagicError
        If files cannot be locked there, as in some network file systems.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: OSError) -> EnvdMagicError:
    """Say that a place of this package's cannot be written to, and what to do."""
    return EnvdMagicError(
        f"{path} cannot be written to: {error.strerror or error}. {HOME_VARIABLE} can name "
        "another folder for what envd_magic keeps"
    )

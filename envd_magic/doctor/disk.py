"""Room on disks, and folders that can be written to."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.doctor.finding import FAIL, OK, WARNING, Finding
from envd_magic.paths import HOME_VARIABLE, cache_folder, data_folder, log_folder, unusable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.doctor.subject import Machine, Subject

_MB = 1_000_000


class Needed(NamedTuple):
    """Bytes below which there is a warning, and below which nothing can be built."""

    warn: int
    fail: int


#: Of the engine: an image with flytekit and a few packages takes one to three GB.
NEEDED = Needed(5_000 * _MB, 300 * _MB)
# Of this package: logs, recordings and the folders that envd is given.
_OURS = Needed(200 * _MB, 20 * _MB)


def room(name: str, path: Path, needed: Needed, fix: str) -> Finding:
    """Tell of the room where a folder is.

    Raises
    ------
    OSError
        If it cannot be looked at.
    """
    found = os.statvfs(path)
    free, total = found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize
    text = f"{_gigabytes(free)} of {_gigabytes(total)} are free at {path}"
    if found.f_files and not found.f_favail:
        return Finding(name, FAIL, f"{path} has no room for one more file (no inode is free)", fix)
    if free < needed.fail:
        return Finding(name, FAIL, f"{text}; {_gigabytes(needed.fail)} are needed at least", fix)
    if free < needed.warn:
        return Finding(name, WARNING, f"{text}, which a build may fill", fix)
    return Finding(name, OK, text)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count < 1e10 else f"{count / 1e9:.0f} GB"  # noqa: PLR2004


def folders(_machine: Machine, _subject: Subject) -> Iterator[Finding]:
    """Can this package write where it keeps things, and is there room?"""
    rooms = []
    for path, fix in _ours():
        finding = room("disk", path, _OURS, fix)
        if finding.outcome != FAIL:
            _try(path)
        rooms.append(finding)
    kept = cache_folder()
    yield Finding("folders", OK, f"{kept} and {tempfile.gettempdir()} can be written to")
    # Most often they are on one disk.
    texts: dict[str, Finding] = {one.text.partition(" at ")[0]: one for one in reversed(rooms)}
    yield from reversed(texts.values())


def _ours() -> Iterator[tuple[Path, str]]:
    elsewhere = f"export {HOME_VARIABLE}=…"
    for path in (cache_folder(), log_folder(), data_folder()):
        yield path, elsewhere
    yield Path(tempfile.gettempdir()), "export TMPDIR=…"


def _try(path: Path) -> None:
    """Write a file.

    Raises
    ------
    EnvdMagicError
        If that cannot be done.
    """
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix="envd_magic-doctor-") as file:
            file.write(bytes(4096))
            file.flush()
    except OSError as error:
        raise unusable(path, error) from error

"""Recordings of builds: JSON lines of what was told, with times; gzip where the name says so.

The first line tells of what and when; each other one is an event of
:mod:`envd_magic.pipeline.as_json` with the seconds since the beginning as ``at``.
"""

from __future__ import annotations

import functools
import gzip
import json
import os
import platform
import re
import time
import zlib
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import IO, TYPE_CHECKING, Any

from envd_magic.errors import EnvdMagicError, FileError
from envd_magic.spec.reading import open_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from flytekit import ImageSpec

#: What the first line begins with; the value is the version of the form.
KEY = "envd_magic_recording"
_VERSION = 1
# Recordings kept of the last builds, and their bytes in all.
_MOST = 30
_MOST_BYTES = 100_000_000
# Characters of output that one recording takes; the rest is in the log.
_MOST_OUTPUT = 50_000_000
# A line of a recording that is longer is none that was written here.
_LONGEST = 1 << 26


def header(spec: ImageSpec, image: str) -> dict[str, Any]:
    """Give the first line: what is built, now and here, secrets masked."""
    from envd_magic import __version__
    from envd_magic.envd.program import find_envd
    from envd_magic.spec.source import format_spec

    try:
        envd = str(find_envd().version)
    except EnvdMagicError:
        envd = ""
    return {
        KEY: _VERSION,
        "image": image,
        "name": str(spec.name),
        "spec": format_spec(spec),
        "began": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "versions": {
            "envd_magic": __version__,
            "envd": envd,
            "flytekit": _flytekit(),
            "python": platform.python_version(),
        },
        "machine": f"{platform.system()} {platform.machine()}",
    }


@functools.cache
def _flytekit() -> str:
    """Look through what is installed once: that takes 10 ms."""
    return version("flytekit")


class Writer:
    """Writes one recording.

    Parameters
    ----------
    path
        Where; it is readable by nobody else.
    first
        The first line.
    """

    def __init__(self, path: Path, first: dict[str, Any]) -> None:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        raw = os.fdopen(handle, "wb")
        # Little work for most of what can be gained: a flood is not to slow the build.
        self._file: Any = _Gzip(raw) if path.suffix == ".gz" else raw
        self._room = _MOST_OUTPUT
        self._began = time.monotonic()
        self._line(first)

    def write(self, told: dict[str, Any]) -> None:
        """Write an event, with the time."""
        if told["event"] == "output":
            if self._room < 0:
                return
            self._room -= len(told["text"])
            if self._room < 0:
                told = {"event": "notice", "text": "Too much output: the recording has no more"}
        self._line({"at": round(time.monotonic() - self._began, 3), **told})

    def _line(self, value: dict[str, Any]) -> None:
        self._file.write(f"{json.dumps(value)}\n".encode())

    def close(self) -> None:
        """Write what is left."""
        self._file.close()


class _Gzip(gzip.GzipFile):
    def __init__(self, raw: IO[bytes]) -> None:
        super().__init__(filename="", mode="wb", fileobj=raw, compresslevel=1, mtime=0)
        self._raw = raw

    def close(self) -> None:
        try:
            super().close()
        finally:
            self._raw.close()


@dataclass(frozen=True)
class Recording:
    """A recording that was read.

    Parameters
    ----------
    path
        Where from.
    header
        Its first line.
    """

    path: Path
    header: dict[str, Any]

    @property
    def mark(self) -> str:
        """What it is, for whoever sees it: no build that runs here and now."""
        began = self.header["began"].replace("T", " ").replace("Z", " UTC")
        return f"a recording of {began}"

    def events(self) -> Iterator[tuple[float, dict[str, Any]]]:
        """Give each event with its time.

        Raises
        ------
        FileError
            If a line is none of a recording's. A file that ends too early just ends.
        """
        lines = _lines(self.path)
        next(lines, None)
        for number, line in enumerate(lines, 2):
            if not line.endswith("\n"):
                return
            try:
                told = json.loads(line)
                at = float(told.pop("at"))
            except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
                raise FileError(f"{self.path}: line {number} is none of a recording") from error
            yield at, told


def read_recording(path: Path) -> Recording:
    """Read the beginning of a recording.

    Raises
    ------
    FileError
        If the file is none; it says why.
    """
    try:
        line = next(_lines(path), "")
        first = json.loads(line)
    except (ValueError, RecursionError):
        first = None
    if not isinstance(first, dict) or KEY not in first:
        raise FileError(f"{path}: is no recording of a build; %envd record writes them")
    if first[KEY] != _VERSION:
        raise FileError(
            f"{path}: is a recording of form {first[KEY]}, and {_VERSION} is known here: it comes "
            "from another version of envd_magic"
        )
    if not all(isinstance(first.get(name), str) for name in ("image", "name", "spec", "began")):
        raise FileError(f"{path}: is a recording whose first line is broken")
    return Recording(path, first)


def _lines(path: Path) -> Iterator[str]:
    try:
        with open_file(path) as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file: Any = gzip.GzipFile(fileobj=raw) if packed else raw
            while line := file.readline(_LONGEST):
                yield line.decode("utf-8", "replace")
    except EOFError:
        # Its writer was killed.
        return
    except (OSError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise FileError(f"{path}: cannot be read: {why}") from error


def offered(name: str, folder: Path) -> str:
    """Say where a recording of a build of this name is, for who cannot build; "" if nowhere."""
    for path in sorted([*folder.glob("recordings/*.jsonl*"), *folder.glob("*.jsonl*")]):
        with suppress(FileError):
            if read_recording(path).header["name"] == name:
                shown = path.relative_to(folder)
                return f"a recording shows a real build of it: %envd replay {shown}"
    return ""


def copy_recording(source: Path, target: Path) -> None:
    """Write a recording to another place, packed or not as its name says.

    Raises
    ------
    FileError
        If it cannot be read or written.
    """
    read_recording(source)
    write_lines(target, _lines(source))


def write_lines(target: Path, lines: Iterable[str]) -> None:
    """Write a recording's lines, packed or not as the name says; others may read it.

    Raises
    ------
    FileError
        If it cannot be written.
    """
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        raw = os.fdopen(handle, "wb")
        with _Gzip(raw) if target.suffix == ".gz" else raw as file:
            for line in lines:
                file.write(line.encode())
    except OSError as error:
        # Half a recording is none; what is no file of its own, as a pipe, stays.
        with suppress(OSError):
            if target.is_file() and not target.is_symlink():
                target.unlink()
        raise FileError(f"{target}: cannot be written: {error.strerror or error}") from error


def file_names(names: Iterable[str]) -> Iterator[str]:
    """Give a name for the file of each recording, none of them twice."""
    given: set[str] = set()
    for name in names:
        plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("_") or "image"
        number, free = 1, plain
        while free in given:
            number += 1
            free = f"{plain}-{number}"
        given.add(free)
        yield f"{free}.jsonl.gz"


def prune(folder: Path) -> None:
    """Delete the oldest of the kept recordings where there are too many, or too large ones."""
    found = []
    for path in folder.glob("*.jsonl.gz"):
        # Another process may delete it first.
        with suppress(FileNotFoundError):
            info = path.stat()
            found.append((info.st_mtime, info.st_size, path))
    found.sort(reverse=True)
    total = 0
    for number, (_, size, path) in enumerate(found):
        total += size
        if number >= _MOST - 1 or total > _MOST_BYTES:
            path.unlink(missing_ok=True)

"""What is kept of every build, whoever asked for it: its recording, and a line of the history."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError, FileError
from envd_magic.paths import recording_folder
from envd_magic.pipeline.as_json import result_to_json, to_json
from envd_magic.pipeline.events import Finished, Notice, Started
from envd_magic.pipeline.options import HISTORY_VARIABLE, RECORDINGS_VARIABLE, said_by
from envd_magic.records import history
from envd_magic.records.recording import Writer, header, prune

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flytekit import ImageSpec

    from envd_magic.pipeline.events import Event
    from envd_magic.pipeline.options import Options
    from envd_magic.pipeline.result import BuildResult

_CANNOT = (OSError, EnvdMagicError, sqlite3.Error)


class Keeper:
    """Listens to a build, keeps it, and passes its events on.

    What cannot be kept is told, and stops nothing.

    Parameters
    ----------
    spec
        What is built.
    options
        Who else listens, and what is to be kept.
    """

    def __init__(self, spec: ImageSpec, options: Options) -> None:
        self._spec = spec
        self._listener = options.listener
        self._remembers = _wanted(options.history, HISTORY_VARIABLE)
        self._records = _wanted(options.recordings, RECORDINGS_VARIABLE)
        self._writer: Writer | None = None
        self._told = False

    def __call__(self, event: Event) -> None:
        """Take an event."""
        try:
            self._keep(event)
        except _CANNOT as error:
            with suppress(*_CANNOT):
                self._end()
            self._cannot(error)
        if self._listener is not None:
            self._listener(event)

    def _keep(self, event: Event) -> None:
        if isinstance(event, Started) and self._records:
            prune(recording_folder())
            path = kept_recording(event.log_file)
            if path is not None:
                self._writer = Writer(path, header(self._spec, event.image))
        if self._writer is not None and (told := to_json(_without_paths(event))) is not None:
            self._writer.write(told)
        if isinstance(event, Finished):
            self._end()
            self._remember(event.result)

    def _remember(self, result: BuildResult) -> None:
        # One that was there already is none that was built.
        if self._remembers and result.status != "exists":
            history.remember(str(self._spec.name), self._text(), result_to_json(result))

    def _text(self) -> str:
        from envd_magic.spec.source import format_spec

        return format_spec(self._spec)

    def _end(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _cannot(self, error: Exception) -> None:
        if not self._told and self._listener is not None:
            self._told = True
            self._listener(Notice(f"this build is not kept for history and replay: {error}"))


def _wanted(asked: bool | None, variable: str) -> bool:  # noqa: FBT001
    """Is something to be kept? It is, unless somebody said no."""
    if asked is None:
        asked = said_by(variable)
    return asked is not False


def forget(numbers: Sequence[int] | None = None) -> int:
    """Forget builds, or all of them, with their recordings; give how many they were.

    Raises
    ------
    EnvdMagicError
        If the store cannot be used.
    """
    if numbers is None:
        paths = list(recording_folder().glob("*.jsonl.gz"))
    else:
        logs = [one.result["log_file"] for one in history.entries() if one.number in numbers]
        found = [kept_recording(Path(log)) for log in logs if log]
        paths = [path for path in found if path is not None]
    for path in paths:
        path.unlink(missing_ok=True)
    return history.remove(numbers)


def kept_recording(log_file: Path | None) -> Path | None:
    """Give where the recording of the build with this log is, or would be."""
    if log_file is None:
        return None
    return recording_folder() / f"{log_file.name.removesuffix('.log')}.jsonl.gz"


def recording_of(number: int | None = None) -> Path:
    """Give the recording of a build of the history, None being the last.

    Raises
    ------
    FileError
        If there is none.
    """
    entry = next(iter(history.entries(most=1)), None) if number is None else history.entry(number)
    if entry is None and number is None:
        raise FileError("no build is in the history")
    if entry is None:
        raise FileError(f"build {number}: the history has none; %envd history lists what it has")
    log = entry.result.get("log_file")
    path = kept_recording(Path(log)) if log else None
    if path is None or not path.is_file():
        raise FileError(f"build {entry.number}: there is no recording; the last 30 builds have one")
    return path


def _without_paths(event: Event) -> Event:
    """Leave out where things are on this machine: a recording is for others."""
    if isinstance(event, Started):
        return replace(event, log_file=None)
    if isinstance(event, Finished):
        return Finished(replace(event.result, log_file=None))
    return event


__all__ = ["Keeper", "forget", "kept_recording", "recording_of"]

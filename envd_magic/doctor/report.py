"""A report: the recording of a build, why it failed, and what the doctor finds, in one file."""

from __future__ import annotations

import base64
import json
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from envd_magic.doctor.examine import examine
from envd_magic.doctor.finding import Finding
from envd_magic.doctor.subject import Subject
from envd_magic.engine.trust import login_for, registry_of
from envd_magic.errors import FileError
from envd_magic.records.anonymous import Anonymous
from envd_magic.records.recording import read_recording, write_lines
from envd_magic.records.restore import restored
from envd_magic.spec.secrets import Secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from flytekit import ImageSpec

    from envd_magic.records.recording import Recording

#: What the first line of a recording has where it is a report.
KEY = "report"


def save_report(
    source: Path, target: Path, context: str | None = None, secrets: Secrets | None = None
) -> list[Finding]:
    """Examine what a build needs, and write that with its recording, to be replayed elsewhere.

    Parameters
    ----------
    source
        The recording.
    target
        Where it goes; packed if its name ends in .gz.
    context
        Name of an envd context, as for a build.
    secrets
        What must not be seen, beside what docker and the environment have.

    Returns
    -------
    list of Finding
        The doctor's, as they are written.

    Raises
    ------
    FileError
        If the recording cannot be read, or the report cannot be written.
    """
    recording = read_recording(source)
    spec = restored(recording.header["spec"])
    hide = Anonymous(_logins(spec) | (secrets or Secrets()))
    found = [
        Finding(one.name, one.outcome, hide.text(one.text), hide.text(one.fix))
        for one in examine([Subject(spec, context)])
    ]
    write_lines(target, _lines(recording, found, hide))
    return found


def findings_of(recording: Recording) -> tuple[Finding, ...]:
    """Give what the doctor found where a recording is a report, nothing where it is none.

    Raises
    ------
    FileError
        If they cannot be read.
    """
    try:
        told = recording.header.get(KEY, {}).get("doctor", ())
        return tuple(Finding.from_json(one) for one in told)
    except (AttributeError, TypeError) as error:
        raise FileError(f"{recording.path}: its findings cannot be read: {error}") from error


def _lines(recording: Recording, found: list[Finding], hide: Anonymous) -> Iterator[str]:
    report = {
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "diagnosis": _diagnosis(recording),
        "doctor": [one.to_json() for one in found],
    }
    yield _line(hide.value({**recording.header, KEY: report}))
    for at, told in recording.events():
        yield _line({"at": at, **hide.value(told)})


def _diagnosis(recording: Recording) -> Any:
    """Give why the build failed, None if it did not."""
    found = None
    for _, told in recording.events():
        if told.get("event") == "finished":
            found = told.get("result", {}).get("diagnosis")
    return found


def _line(value: dict[str, Any]) -> str:
    return f"{json.dumps(value)}\n"


def _logins(spec: ImageSpec) -> Secrets:
    """Give the logins that docker has for the registries of a spec, in all their forms."""
    from docker.errors import DockerException

    names = [f"{spec.registry}/x"] if spec.registry else []
    names += [spec.base_image] if isinstance(spec.base_image, str) else []
    values = []
    for name in names:
        # What cannot be read stands nowhere.
        with suppress(DockerException):
            login = login_for(registry_of(name))
            pair = f"{login.username}:{login.password}"
            values += [login.password, login.token, base64.b64encode(pair.encode()).decode()]
    return Secrets(values)

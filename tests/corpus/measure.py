"""What diagnosis makes of recordings, beside what is known of them."""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envd_magic.diagnosis.diagnose import diagnose
from envd_magic.pipeline.as_json import from_json
from envd_magic.pipeline.witness import Witness
from envd_magic.records.recording import read_recording
from envd_magic.records.restore import restored

from .case import RECORDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.diagnosis.model import Diagnosis


@dataclass(frozen=True)
class Told:
    """What a recording is of, and what diagnosis says of it.

    Parameters
    ----------
    name
        Of the case.
    wanted
        Kind, field and item, as the case knows them.
    found
        What is said.
    """

    name: str
    wanted: dict[str, Any]
    found: Diagnosis

    @property
    def right(self) -> bool:
        """Is it the right field?"""
        return self.found.field == str(self.wanted["field"])

    @property
    def exact(self) -> bool:
        """Is all right: kind, field and item?"""
        item = self.wanted["item"]
        return self.right and self.found.kind == self.wanted["kind"] and self.found.item == item

    @property
    def deceived(self) -> bool:
        """Is a wrong field said to be certain?"""
        return self.found.certain and not self.right


def paths(which: str) -> list[Path]:
    """Give the recordings of a set."""
    return sorted((RECORDINGS / which).glob("*.jsonl"))


@contextlib.contextmanager
def spec_of(path: Path) -> Iterator[ImageSpec]:
    """Give the spec of a recording, with its files in the current folder."""
    first = read_recording(path).header
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for name, text in first["files"].items():
            file = Path(folder, name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        os.chdir(folder)
        try:
            yield restored(first["spec"])
        finally:
            os.chdir(before)


def told_by(path: Path) -> Told:
    """Say what diagnosis makes of a recording; nobody is asked anything."""
    recording = read_recording(path)
    witness = Witness()
    for _, told in recording.events():
        witness(from_json(told))
    raised = recording.header["failure"]
    problems = tuple((field, item, message) for field, item, message in raised["problems"])
    failure = witness.failure(tuple(raised["error"]), raised["message"], problems)
    with spec_of(path) as spec:
        found = diagnose(spec, failure)
    return Told(path.stem, recording.header["case"], found)


@dataclass(frozen=True)
class Summary:
    """How well a set of recordings is told; names and contents stay unread."""

    told: tuple[Told, ...]

    @property
    def count(self) -> int:
        """How many recordings there are."""
        return len(self.told)

    @property
    def kinds(self) -> int:
        """How many kinds of failures they are."""
        return len({one.wanted["kind"] for one in self.told})

    def share(self, what: str) -> float:
        """Give for which part of them something is so: "right", "exact" or "deceived"."""
        return sum(bool(getattr(one, what)) for one in self.told) / max(1, self.count)

    @property
    def certain(self) -> float:
        """For which part of them the diagnosis is certain."""
        return sum(one.found.certain for one in self.told) / max(1, self.count)


def summary(which: str) -> Summary:
    """Diagnose all recordings of a set."""
    return Summary(tuple(told_by(path) for path in paths(which)))

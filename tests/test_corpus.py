"""Recordings of real failures: each is told as what it is, and none tells of who made it."""

from __future__ import annotations

import re

import pytest

from envd_magic.records.recording import read_recording

from .corpus.case import SETS, cases
from .corpus.cleaning import hosts, is_said
from .corpus.measure import paths, summary, told_by

# What the installers do not tell, and an index that is asked does.
_UNTOLD = {"index_login_wrong_pip", "no_wheel_for_platform_pip", "no_wheel_for_python_pip"}
_UNTOLD |= {"index_answers_an_error_pip"}


@pytest.mark.parametrize("path", paths("first"), ids=lambda path: path.stem)
def test_failure_is_told_by_kind_field_and_item(path: object) -> None:
    told = told_by(path)  # type: ignore[arg-type]
    if told.name in _UNTOLD:
        assert not told.found.certain
        return
    found = {"kind": told.found.kind, "field": told.found.field, "item": told.found.item}
    assert found == told.wanted
    assert told.found.cause
    assert "…" not in told.found.cause
    assert told.found.evidence


@pytest.mark.parametrize("which", SETS)
def test_every_case_has_a_recording(which: str) -> None:
    assert [path.stem for path in paths(which)] == [one.name for one in cases(which)]


def test_failures_of_all_kinds_are_recorded() -> None:
    assert len(paths("first")) >= 40
    assert len({told["kind"] for told in map(_case, paths("first"))}) >= 40


def _case(path: object) -> dict[str, str]:
    found: dict[str, str] = read_recording(path).header["case"]  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("which", SETS)
def test_recordings_are_short_and_tell_nothing_of_the_machine(which: str) -> None:
    private = re.compile(r"/root/\.|/tmp/corpus|\b10\.\d+\.\d+\.\d+\b")
    for path in paths(which):
        text = path.read_text()
        assert len(text) < 40_000, path
        assert not private.search(text), path
        assert all(map(is_said, hosts(text))), path
        assert read_recording(path).header["versions"]["envd_magic"]


def test_failures_that_nobody_has_read_are_told_by_their_field() -> None:
    found = summary("holdout")
    assert found.share("right") >= 0.9
    assert found.share("deceived") == 0
    assert found.kinds >= 40

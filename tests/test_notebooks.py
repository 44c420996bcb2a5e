"""The notebooks of this repository: they run, and what is saved of them is fit to be read."""

from __future__ import annotations

import json
import re
import shutil
from typing import TYPE_CHECKING, Any

import nbformat
import pytest

from envd_magic.records.recording import read_recording

from . import run_notebooks
from .notebooks import run
from .run_notebooks import FOLDER, names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lab import Lab

# Folders of whoever ran them; the image's own (/root, /home/envd, /var/tmp) are none.
_MACHINE = re.compile(r"(?<!/var)/tmp/|/work/|/home/(?!envd)|/Users/|/root/\.")
_HOSTS = re.compile(r"https?://([^/\s\"'\\]+)")


def cells(name: str) -> list[Any]:
    return list(nbformat.read(FOLDER / name, as_version=4).cells)


def outputs(name: str) -> Iterator[str]:
    for cell in cells(name):
        if cell.get("outputs"):
            yield json.dumps(cell.outputs)


@pytest.mark.parametrize("name", names())
def test_saved_outputs_tell_nothing_of_a_machine(name: str) -> None:
    for text in outputs(name):
        assert not _MACHINE.search(text), _MACHINE.search(text)
        assert not _HOSTS.findall(text)


@pytest.mark.parametrize("name", names())
def test_a_notebook_was_run_from_its_begin_to_its_end(name: str) -> None:
    code = [cell for cell in cells(name) if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


@pytest.mark.parametrize("name", names())
def test_only_cells_that_are_to_fail_did(name: str) -> None:
    for cell in cells(name):
        failed = any(one.output_type == "error" for one in cell.get("outputs", ()))
        assert failed == ("raises-exception" in cell.metadata.get("tags", ())), cell.source


def test_the_recording_is_of_a_real_build_and_tells_nothing_of_a_machine() -> None:
    recording = read_recording(FOLDER / "recordings" / "trainer.jsonl.gz")
    told = [event for _, event in recording.events()]
    assert told[-1]["result"]["status"] == "built"
    assert any(event["event"] == "output" for event in told)
    text = json.dumps([recording.header, told])
    assert not _MACHINE.search(text)
    assert not _HOSTS.findall(text)


@pytest.mark.parametrize("name", ["quickstart.ipynb", "many.ipynb", "flyte.ipynb"])
def test_check_finds_nothing_in_them(name: str) -> None:
    assert run("check", FOLDER / name).exit_code == 0


@pytest.mark.parametrize("name", names())
def test_a_notebook_runs_from_its_begin_to_its_end(
    lab: Lab, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "notebooks"
    shutil.copytree(FOLDER, folder)
    found = run_notebooks.execute(folder, name)
    assert len(found.cells) == len(cells(name))

"""Control characters in what the command line names: shown as text, and obeyed by no terminal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from envd_magic.records.cell import KEY

from .notebooks import run, write

if TYPE_CHECKING:
    from pathlib import Path

ODD = "\x1b]0;own title\x07\x1b[31mX\x9b2J"
CELLS = (
    f"%%envd_build a\nImageSpec(name='a', packages=['x {ODD}'], base_image='{ODD}')",
    f"%%envd_build --nope{ODD}\nImageSpec(name='b')",
    f"%%envd_build c\nImageSpec(name='c', requirements='{ODD}.txt', copy=['{ODD}'])",
    f"%envd build '{ODD}'",
    "%%envd_build --yaml\nname: d\npackages: ['\\e[31mq q']\n",
    f"%%envd_build --context '{ODD}'\nImageSpec(name='f', base_image='debian')",
)
_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = write(tmp_path / f"n{ODD}.ipynb", *CELLS)
    book = json.loads(path.read_text())
    names = ("image", "spec_hash", "status", "finished", "envd")
    book["cells"][-1]["metadata"][KEY] = dict.fromkeys(names, ODD)
    path.write_text(json.dumps(book))
    (tmp_path / f"s{ODD}.py").write_text(f"bad = '{ODD}\n")
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    return tmp_path


@pytest.mark.parametrize("words", ["check", "check --json", "preview", "freeze", "plan", "build"])
def test_no_terminal_obeys_what_a_command_says(folder: Path, envd_home: Path, words: str) -> None:
    assert envd_home
    result = run(*words.split(), *folder.iterdir())
    assert result.output
    assert _OBEYED.search(result.output) is None


def test_junit_of_odd_names_can_be_read(folder: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    run("check", "--junit", report, *folder.iterdir())
    suites = ET.parse(report).getroot()  # noqa: S314 - our own
    assert {suite.get("name", "")[len(str(folder)) + 1 :][0] for suite in suites} == {"n", "s"}

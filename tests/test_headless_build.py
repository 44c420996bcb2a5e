"""`envd-magic build`: several images of notebooks at once, and what is written of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from envd_magic.spec.secrets import Secrets

from .notebooks import SPEC, run, write

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["%%envd_build\nImageSpec(packages=['no good'])"], "error: packages['no good']"),
        (["%%envd_build\nImageSpec(name=x)"], "error: `x` is given nowhere before; --execute runs"),
        ([f"%%envd_build\n{SPEC}", f"%%envd_build\n{SPEC[:-1]}, env={{}})"], "two images are"),
        (["%%envd_build --nope\nx"], "there is no option --nope"),
    ],
)
def test_nothing_is_built_where_one_image_is_wrong(
    tmp_path: Path, cells: list[str], expected: str
) -> None:
    bad = write(tmp_path / "a.ipynb", *cells)
    good = write(tmp_path / "b.ipynb", f"%%envd_build\n{SPEC}")
    before = good.read_bytes(), bad.read_bytes()
    result = run("build", good, bad)
    assert result.exit_code == 1
    assert expected in result.stderr
    assert result.stderr.endswith("Nothing was built\n")
    assert (good.read_bytes(), bad.read_bytes()) == before


def test_a_file_that_is_no_notebook_ends_it_with_2(tmp_path: Path) -> None:
    (tmp_path / "a.ipynb").write_text("{}")
    result = run("build", tmp_path / "a.ipynb")
    assert (result.exit_code, result.stdout) == (2, "")


def test_a_recording_for_no_folder_is_refused_before_anything_is_built(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    result = run("build", "--record", tmp_path / "none" / "a.jsonl", path)
    assert result.exit_code == 2
    assert f"there is no folder {tmp_path / 'none'}" in result.stderr
    assert result.stdout == ""


def test_a_current_folder_that_is_no_more_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    result = run("build", path)
    assert result.exit_code == 2
    assert "the current folder is no more" in result.stderr


def test_an_interrupt_that_flytekit_answers_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flytekit.core.context_manager import FlyteContextManager

    def interrupted(_paths: object) -> None:
        before = signal.getsignal(signal.SIGINT)
        # As its import does, and whoever begins anew.
        FlyteContextManager.initialize()
        try:
            signal.raise_signal(signal.SIGINT)
        finally:
            signal.signal(signal.SIGINT, before)

    monkeypatch.setattr("envd_magic.headless.find.files_of", interrupted)
    result = run("build", write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}"))
    assert result.exit_code == 130
    assert result.stderr == "Stopped\n"


def test_cells_that_only_show_are_not_built(tmp_path: Path) -> None:
    result = run("build", write(tmp_path / "a.ipynb", f"%%envd_build --dry-run\n{SPEC}"))
    assert (result.exit_code, result.stderr) == (0, "nothing to build\n")


@pytest.mark.parametrize("word", ["--jobs=0", "--nope", "-j"])
def test_a_command_that_is_wrong_ends_with_2(word: str) -> None:
    assert run("build", word, "x.ipynb").exit_code == 2


def test_help_tells_the_exit_codes() -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert "130  it was stopped" in result.stdout


def test_help_cuts_off_no_command() -> None:
    listed = run("--help").stdout.partition("Commands:")[2]
    assert "context" in listed
    assert "..." not in listed


@pytest.mark.parametrize(("words", "meant"), [([], "of-cell"), (["--context", "of-me"], "of-me")])
def test_options_of_a_cell_count_unless_the_command_has_them(
    tmp_path: Path, words: list[str], meant: str
) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build --context of-cell x\n{SPEC}")
    result = run("build", *words, path)
    assert result.exit_code == 1
    assert f"context {meant!r}" in result.stdout.replace('"', "'")


def test_no_engine_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    result = run("build", path)
    assert result.exit_code == 1
    assert "Failed to build: trainer" in result.stdout
    assert "Traceback" not in result.output


def events(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_all_are_built_at_once_one_that_fails_stops_no_other(lab: Lab, tmp_path: Path) -> None:
    mark = os.urandom(4).hex()
    path = write(
        tmp_path / "a.ipynb",
        f"%%envd_build one\nImageSpec(name='one', env={{'M': '{mark}'}}, commands=['true'])",
        f"%%envd_build bad\nImageSpec(name='bad', commands=['echo {mark}; exit 3'])",
        f"%%envd_build two\n[ImageSpec(name=f'two{{n}}', env={{'M': '{mark}'}}) for n in '12']",
    )
    result = run("build", "-j", "3", "--json", path)
    assert result.exit_code == 1, result.output
    told = events(result.stdout)
    ends = {one["build"]: one["status"] for one in told if one["event"] == "ended"}
    assert ends == {"one": "built", "bad": "failed", "two[0]": "built", "two[1]": "built"}
    assert result.stderr == "3 built, 1 failed to build\n"
    cells = json.loads(path.read_text())["cells"]
    records = [cell["metadata"]["envd_magic"] for cell in cells]
    assert [one["status"] for one in records[:2]] == ["built", "failed"]
    assert [one["image"].partition(":")[0] for one in records[2]] == ["two1", "two2"]
    # Again: what is there is not built, and the records of it stay.
    again = run("build", "-j", "3", path)
    assert "Already there: one:" in again.stdout
    assert "[bad] FAILED  run 1 command" in again.stdout
    assert json.loads(path.read_text())["cells"][0] == cells[0]
    assert run("check", path).stdout.count("\n") == 1


def test_the_images_of_all_folders_are_built_at_once_and_ctrl_c_ends_them(
    lab: Lab, tmp_path: Path
) -> None:
    paths = []
    for number, name in enumerate(("one", "two"), 301):
        (tmp_path / name).mkdir()
        cell = f"%%envd_build {name}\nImageSpec(name='{name}', commands=['sleep {number}'])"
        paths.append(write(tmp_path / name / "a.ipynb", cell))
    before = [path.read_bytes() for path in paths]
    command = [sys.executable, "-m", "envd_magic", "build", "-j2", "--json", *map(str, paths)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    waiting = {"one", "two"}
    for line in process.stdout:
        one = json.loads(line)
        if one["event"] == "step_started" and one.get("field") == "commands":
            waiting.discard(one["build"])
        if not waiting:
            break
    process.send_signal(2)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert [path.read_bytes() for path in paths] == before


def test_files_are_each_notebooks_own_and_records_are_of_each_image(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    mark = os.urandom(4).hex()
    same = f"ImageSpec(name='same', env={{'M': '{mark}'}})"
    own = "ImageSpec(name='own', copy=['data.txt'], commands=['grep -x {0} /root/data.txt'])"
    for name in ("left", "right"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "data.txt").write_text(f"{name}{mark}")
        write(
            tmp_path / name / "a.ipynb",
            f"from flytekit import ImageSpec\nown = {own.format(name + mark)}",
            f"%envd build own\n%envd build '{same.replace(chr(39), chr(34))}'",
        )
    os.mkdir("kept")  # noqa: PTH102
    result = run("build", "-j", "3", "--record", "kept", "left", "right")
    assert result.exit_code == 0, result.output
    assert result.stderr == "3 built\n"
    assert sorted(os.listdir("kept")) == [  # noqa: PTH208
        "own-2.jsonl.gz",
        "own.jsonl.gz",
        "same.jsonl.gz",
    ]
    for name in ("left", "right"):
        cells = json.loads((tmp_path / name / "a.ipynb").read_text())["cells"]
        records = cells[1]["metadata"]["envd_magic"]
        assert [one["image"].partition(":")[0] for one in records] == ["own", "same"]
        assert cells[0]["metadata"] == {}
    assert run("check", "left", "right").exit_code == 0
    (tmp_path / "left" / "data.txt").write_text("other")
    told = run("check", "left", "right").stdout
    assert told.startswith("left/a.ipynb:cell 2:1: error: files that the spec names have changed")
    assert told.count("\n") == 1


def test_a_terminal_keeps_what_came_of_each_build(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from flytekit import ImageSpec

    from envd_magic.headless.building import Task
    from envd_magic.headless.progress import LiveProgress, summary
    from envd_magic.pipeline.options import Options
    from envd_magic.view.cards import result_card
    from envd_magic.view.failed import failure_card

    from .builds import BUILT, FAILED, running

    good, bad = (Task(name, ImageSpec(name=name), tmp_path, Options()) for name in ("good", "bad"))
    progress = LiveProgress([good, bad])
    for event in running():
        progress.listener(good)(event)
    progress.tick()
    good.result, good.card = BUILT, result_card(BUILT)
    bad.card = failure_card(OSError("no disk"), bad.spec, Secrets(), FAILED)
    progress.finished(good)
    progress.finished(bad)
    progress.close()
    shown = capsys.readouterr().out
    assert "Built: localhost:5000/trainer:abc  sha256:0123" in shown
    assert "no disk" in shown
    assert summary([good, bad]) == "1 built, 1 failed to build"

"""The record of a build in a notebook: what a diff of the file shows, and what check tells."""

from __future__ import annotations

import json
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envd_magic.errors import FileError
from envd_magic.headless.find import find
from envd_magic.records.cell import KEY, make_record, write_record
from envd_magic.records.files import set_member, write_whole

from .builds import BUILT, FAILED
from .notebooks import SPEC, notebook, run, write

if TYPE_CHECKING:
    from pathlib import Path

VALUE = {"image": "a:b", "seconds": 1.5}
LAYOUTS: list[dict[str, Any]] = [
    {"indent": 1},
    {"indent": 4},
    {"indent": "\t"},
    {},
    {"separators": (",", ":")},
    {"indent": 2, "separators": (",", ":")},
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("ascii_only", [True, False])
@pytest.mark.parametrize(
    "metadata", [{}, {"a": 1}, {"z": [1, {}]}, {"a": {"x": 1}, "z": 2}, {KEY: {"old": [1]}, "z": 1}]
)
def test_a_file_is_laid_out_as_before(
    layout: dict[str, Any], ascii_only: bool, metadata: dict[str, Any]
) -> None:
    content = notebook("ä", '%%x\n{"metadata": {}}', "# ö")
    content["cells"][1]["metadata"] = metadata
    before = json.dumps(content, ensure_ascii=ascii_only, **layout)
    content["cells"][1]["metadata"] = {**metadata, KEY: VALUE}
    if KEY not in metadata:
        # Jupyter sorts names when it saves.
        content["cells"][1]["metadata"] = dict(sorted({**metadata, KEY: VALUE}.items()))
    after = json.dumps(content, ensure_ascii=ascii_only, **layout)
    assert set_member(before, ["cells", 1, "metadata"], KEY, VALUE) == after


@pytest.mark.parametrize("line", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", " \n"])
@pytest.mark.parametrize("end", ["", "\n", "\n\n"])
def test_line_ends_and_what_is_around_stay(line: str, start: str, end: str) -> None:
    def laid_out(content: Any) -> str:
        return start + json.dumps(content, indent=1).replace("\n", line) + end

    content = notebook("x")
    before = laid_out(content)
    content["cells"][0]["metadata"] = {KEY: VALUE}
    if start != " \n":
        assert set_member(before, ["cells", 0, "metadata"], KEY, VALUE) == laid_out(content)
    assert json.loads(set_member(before, ["cells", 0, "metadata"], KEY, VALUE).lstrip("\ufeff"))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(), _JSON, max_size=4),
    st.sampled_from(LAYOUTS),
    st.sampled_from(["", " ", "\n\t "]),
)
def test_nothing_but_the_member_changes(
    metadata: dict[str, Any], layout: dict[str, Any], space: str
) -> None:
    content = {"other": [metadata, metadata], "metadata": metadata}
    text = json.dumps(content, **layout)
    if not metadata:
        text = text.replace("{}", "{" + space + "}")
    expected = json.loads(text)
    expected["other"][1] = {**expected["other"][1], KEY: VALUE}
    assert json.loads(set_member(text, ["other", 1], KEY, VALUE)) == expected


def recorded(path: Path, number: int = 0) -> bool:
    one = find(path).definitions[number]
    spec = one.images()[0][1]
    result = replace(BUILT, image=spec.image_name())
    cell = (one.cell or 0, one.id, one.source)
    return write_record(path, cell, make_record(spec, result, "1.3.6"))


def test_a_record_is_in_the_cells_metadata_and_is_valid(tmp_path: Path) -> None:
    import nbformat

    path = write(tmp_path / "a.ipynb", "# ü", f"%%envd_build\n{SPEC}")
    before = path.read_text()
    assert recorded(path)
    record = nbformat.read(path, 4).cells[1].metadata[KEY]
    assert sorted(record) == [
        "digest",
        "envd",
        "finished",
        "image",
        "seconds",
        "spec_hash",
        "status",
    ]
    changed = [line for line in path.read_text().splitlines() if line not in before.splitlines()]
    assert len(changed) == 11
    # As Jupyter saves it again: nothing moves.
    assert nbformat.writes(nbformat.read(path, 4)) + "\n" == path.read_text()


def test_permissions_and_links_stay(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    path.chmod(0o640)
    link = tmp_path / "link.ipynb"
    link.symlink_to(path)
    assert recorded(link)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert len(list(tmp_path.iterdir())) == 2


def test_a_write_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_cell_that_was_saved_otherwise_meanwhile_gets_no_record(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    one = find(path).definitions[0]
    record = make_record(one.images()[0][1], BUILT, "1")
    changed = write(path, f"%%envd_build\n{SPEC}  # changed").read_text()
    with pytest.raises(FileError, match="cell 1 has changed while it was built: not recorded"):
        write_record(path, (1, one.id, one.source), record)
    assert path.read_text() == changed


def test_a_cell_that_moved_meanwhile_is_found_by_its_id(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    one = find(path).definitions[0]
    content = notebook("print()", one.source)
    content["cells"][0]["id"], content["cells"][1]["id"] = "new", one.id
    path.write_text(json.dumps(content))
    record = make_record(one.images()[0][1], BUILT, "1")
    assert write_record(path, (1, one.id, one.source), record)
    assert KEY in json.loads(path.read_text())["cells"][1]["metadata"]


def test_an_image_that_was_there_changes_no_record(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    assert recorded(path)
    one = find(path).definitions[0]
    spec = one.images()[0][1]
    again = make_record(spec, replace(BUILT, image=spec.image_name(), status="exists"), "2")
    before = path.read_bytes()
    assert not write_record(path, (1, one.id, one.source), again)
    assert path.read_bytes() == before


def test_check_says_nothing_of_a_cell_as_it_was_built(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    recorded(path)
    assert run("check", path).exit_code == 0


def test_check_tells_of_a_cell_that_changed_since(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    recorded(path)
    path.write_text(path.read_text().replace("attrs", "six"))
    result = run("check", path)
    assert result.exit_code == 1
    assert f"{path}:cell 1:1: error: the cell has changed since trainer:" in result.stdout


def rewritten(path: Path, old: str, new: str) -> None:
    path.write_text(path.read_text().replace(old, new))


@pytest.fixture
def three(tmp_path: Path) -> Path:
    """A notebook with the records of three images of one cell."""
    cell = "%%envd_build\n[ImageSpec(name=n, packages=['six']) for n in ['a', 'b', 'c']]"
    path = write(tmp_path / "a.ipynb", cell)
    one = find(path).definitions[0]
    records = [
        make_record(spec, replace(BUILT, image=spec.image_name()), "1") for _, spec in one.images()
    ]
    write_record(path, (1, one.id, one.source), records)
    assert run("check", path).exit_code == 0
    return path


def test_check_tells_of_each_image_of_a_cell(three: Path) -> None:
    rewritten(three, "n in ['a', 'b', 'c']", "n in ['c', 'a', 'b']")
    assert run("check", three).exit_code == 0
    rewritten(three, "'six'", "'six' if n == 'b' else 'attrs'")
    told = run("check", three).stdout
    assert [line.partition(" since ")[2][:2] for line in told.splitlines()] == ["c:", "a:"]


def test_check_tells_of_images_that_came_to_a_cell_and_of_those_that_went(three: Path) -> None:
    rewritten(three, "'b'", "'d'")
    told = run("check", three).stdout.splitlines()
    assert "error: d has not been built" in told[0]
    assert "error: b:" in told[1]
    assert "the cell makes it no more" in told[1]
    assert len(told) == 2


def test_what_was_stopped_keeps_its_record_beside_new_ones(three: Path) -> None:
    from envd_magic.headless.building import Task
    from envd_magic.headless.recorder import Recorder
    from envd_magic.pipeline.options import Options
    from envd_magic.view.cards import result_card

    rewritten(three, "'b'", "'d'")
    one = find(three).definitions[0]
    before = json.loads(three.read_text())["cells"][0]["metadata"][KEY]
    tasks = [
        Task(spec.name, spec, three.parent, Options(), definitions=[(one, number)])
        for number, (_, spec) in enumerate(one.images())
    ]
    tasks[2].result = replace(BUILT, image=tasks[2].spec.image_name(), digest="sha256:new")
    tasks[2].card = result_card(tasks[2].result)
    recorder = Recorder(tasks, pytest.fail)
    recorder.ended(tasks[2])
    recorder.close()
    after = json.loads(three.read_text())["cells"][0]["metadata"][KEY]
    assert after[0] == before[0]
    assert [record["digest"] == "sha256:new" for record in after] == [False, True]


def test_check_tells_of_files_that_changed_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.txt").write_text("attrs")
    path = write(tmp_path / "a.ipynb", '%%envd_build\nImageSpec(requirements="r.txt")')
    recorded(path)
    assert run("check", path).exit_code == 0
    (tmp_path / "r.txt").write_text("six")
    assert "error: files that the spec names have changed since" in run("check", path).stdout


def test_check_tells_of_a_build_that_failed(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    one = find(path).definitions[0]
    spec = one.images()[0][1]
    write_record(path, (1, one.id, one.source), make_record(spec, FAILED, "1"))
    assert "error: the last build of" in run("check", path).stdout


def test_another_registry_is_no_change(tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    one = find(path).definitions[0]
    spec = replace(one.images()[0][1], registry="localhost:5000")
    result = replace(BUILT, image=spec.image_name())
    write_record(path, (1, one.id, one.source), make_record(spec, result, "1"))
    assert run("check", path).exit_code == 0


@pytest.mark.parametrize("record", [1, [], {}, {"image": 1}, [{"image": "x"}], "x"])
def test_what_is_no_record_is_said(tmp_path: Path, record: object) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{SPEC}")
    path.write_text(set_member(path.read_text(), ["cells", 0, "metadata"], KEY, record))
    result = run("check", path)
    assert result.exit_code == 1
    assert ":cell 1:1: error: " in result.stdout


def test_commands_that_record_in_a_file_at_once_keep_each_others_records(
    tmp_path: Path, envd_home: Path
) -> None:
    from envd_magic.headless.building import Task
    from envd_magic.headless.recorder import Recorder
    from envd_magic.pipeline.options import Options
    from envd_magic.view.cards import result_card

    assert envd_home
    count = 8
    cells = [f"%%envd_build\nImageSpec(name='a{number}')" for number in range(count)]
    path = write(tmp_path / "a.ipynb", *cells)
    begin = threading.Barrier(count)

    def command(number: int) -> None:
        one = find(path).definitions[number]
        [(name, spec)] = one.images()
        task = Task(name, spec, tmp_path, Options(), definitions=[(one, 0)])
        task.result = replace(BUILT, image=spec.image_name())
        task.card = result_card(task.result)
        recorder = Recorder([task], pytest.fail)
        begin.wait()
        recorder.ended(task)

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(command, range(count)))
    found = json.loads(path.read_text())["cells"]
    assert [KEY in cell["metadata"] for cell in found] == [True] * count

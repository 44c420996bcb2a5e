"""Builds of a session, here and in the background, in a real kernel; envd is a test's own."""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic.interactive.jobs import Jobs
from envd_magic.pipeline.options import Options
from envd_magic.pipeline.stop import Stop
from envd_magic.spec.several import Specs
from envd_magic.view.lines import plain

from .gates import Gates, gates
from .kernels import Cell, Kernel, kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def building(
    tmp_path_factory: pytest.TempPathFactory, envd_home: Path
) -> Iterator[tuple[Gates, Kernel]]:
    folder = tmp_path_factory.mktemp("jobs")
    with gates(folder, envd_home) as made, kernel(folder) as running:
        yield made, running


@pytest.fixture
def gate(building: tuple[Gates, Kernel]) -> Iterator[Gates]:
    yield building[0]
    # What a test that failed left at its gate is not the next one's to wait for.
    building[0].open_all()


@pytest.fixture
def notebook(building: tuple[Gates, Kernel]) -> Kernel:
    return building[1]


def begin(notebook: Kernel, gate: Gates, *names: str, options: str = "") -> Cell:
    """Start builds in the background, and wait until the first is at its gate."""
    specs = ", ".join(gate.spec(name) for name in names)
    body = specs if len(names) == 1 else f"[{specs}]"
    cell = notebook.run(f"%%envd_build --background {options}\n{body}")
    assert cell.error is None, cell.error_text
    at_gate(gate, names[0])
    return cell


def at_gate(gate: Gates, name: str) -> None:
    deadline = time.monotonic() + 30
    while not (gate.folder / f"{name}.pid").exists():
        assert time.monotonic() < deadline


def is_running(pid: int) -> bool:
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True)
    # What has ended and waits for its parent to notice runs no more.
    return shown.stdout.strip()[:1] not in ("", "Z")


def number_of(cell: Cell) -> int:
    """Give a background build's number, from how its card says it is stopped."""
    words = cell.text.split("%envd cancel ")
    return int(words[1].split()[0])


def value(notebook: Kernel, expression: str) -> str:
    return notebook.run(f"print({expression}, end='')").text


# In the background.


def test_background_build_returns_at_once_shows_itself_in_its_cell_and_binds_at_its_end(
    notebook: Kernel, gate: Gates
) -> None:
    cell = begin(notebook, gate, "first", options="first")
    assert value(notebook, "6 * 7, 'first' in globals()") == "42 False"
    assert "%envd cancel" in cell.outputs[0]
    gate.open("first")
    waited = notebook.run(f"%envd wait {number_of(cell)}")
    assert waited.error is None
    assert waited.outputs == cell.outputs
    assert len(cell.outputs) == 1
    assert cell.outputs[0].startswith("Built: localhost:30000/first:")
    assert "@task(container_image=first)" in cell.outputs[0]
    assert value(notebook, "first.name") == "first"


def test_two_builds_run_at_once_and_are_listed(notebook: Kernel, gate: Gates) -> None:
    one, two = (begin(notebook, gate, name, options=name) for name in ("one", "two"))
    rows = notebook.run("%envd builds").text.splitlines()
    for cell, name in ((one, "one"), (two, "two")):
        (row,) = [row for row in rows if row.split()[0] == str(number_of(cell))]
        assert row.split()[1] == "running"
        assert name in row
    gate.open("two")
    assert notebook.run(f"%envd wait {number_of(two)}").error is None
    assert one.outputs[0].startswith("Building: ")
    gate.open("one")
    assert notebook.run("%envd wait").error is None
    assert value(notebook, "one.name, two.name") == "one two"


def test_background_build_that_fails_shows_why_and_raises_for_who_waits(
    notebook: Kernel, gate: Gates
) -> None:
    cell = begin(notebook, gate, "bad", options="bad")
    gate.open("bad", "fail")
    waited = notebook.run(f"%envd wait {number_of(cell)}")
    assert waited.error == "BuildError"
    assert "gone wrong" in waited.error_text
    assert "Traceback" not in waited.error_text
    assert cell.outputs[0].startswith("Failed to build: localhost:30000/bad:")
    assert "gone wrong" in cell.outputs[0]
    assert value(notebook, "'bad' in globals()") == "False"
    assert value(notebook, "type(__import__('sys').last_value).__name__") == "BuildError"


def test_waiting_for_several_tells_of_all_though_one_failed(notebook: Kernel, gate: Gates) -> None:
    begin(notebook, gate, "worse")
    begin(notebook, gate, "better")
    gate.open("worse", "fail")
    gate.open("better")
    waited = notebook.run("%envd wait")
    assert waited.error == "BuildError"
    assert [text.partition(" localhost:30000/")[0] for text in waited.outputs] == [
        "Failed to build:",
        "Built:",
    ]


def test_build_that_is_waited_for_is_seen_there_as_it_goes_on(
    notebook: Kernel, gate: Gates
) -> None:
    cell = begin(notebook, gate, "followed")
    number = number_of(cell)
    waiting = notebook.start(f"%envd wait {number}").until("at the gate followed")
    assert waiting.outputs[0].startswith("Building: localhost:30000/followed:")
    assert f"%envd cancel {number} the build" in waiting.outputs[0]
    gate.open("followed")
    assert waiting.finish().error is None
    assert waiting.outputs == cell.outputs
    # And again, of one that has ended.
    assert notebook.run(f"%envd wait {number}").outputs == cell.outputs


def test_background_build_can_be_cancelled(notebook: Kernel, gate: Gates) -> None:
    cell = begin(notebook, gate, "dropped", options="dropped")
    pid = gate.pid("dropped")
    began = time.monotonic()
    said = notebook.run("%envd cancel")
    assert f"Build {number_of(cell)}: stopped" in said.text
    assert time.monotonic() - began < 5
    assert not is_running(pid)
    assert cell.outputs[0].startswith("Stopped: ")
    assert value(notebook, "'dropped' in globals()") == "False"
    again = notebook.run(f"%envd cancel {number_of(cell)}")
    assert "has ended" in again.text


def test_cancelling_asks_which_where_several_run(notebook: Kernel, gate: Gates) -> None:
    begin(notebook, gate, "either")
    begin(notebook, gate, "other")
    said = notebook.run("%envd cancel")
    assert "several builds run" in said.text + said.error_text
    gate.open("either")
    gate.open("other")
    assert notebook.run("%envd wait").error is None


def test_builds_that_wait_for_one_that_fails_do_not_wait_for_ever(
    notebook: Kernel, gate: Gates
) -> None:
    cell = begin(notebook, gate, "ahead", "behind", options="--jobs 1")
    assert cell.outputs[1].startswith("Building: behind")
    assert "Waiting" in cell.outputs[1]
    gate.open("ahead", "fail")
    notebook.run("%envd wait")
    assert cell.outputs[0].startswith("Failed to build: ")
    assert cell.outputs[1].startswith("Stopped: behind")


def test_several_specs_are_built_at_once_and_bound_as_a_list(notebook: Kernel, gate: Gates) -> None:
    cell = notebook.start(f"%%envd_build both\n[{gate.spec('left')}, {gate.spec('right')}]")
    at_gate(gate, "left")
    at_gate(gate, "right")
    gate.open("left")
    gate.open("right")
    assert cell.finish().error is None, cell.error_text
    assert [text.partition(":")[2].split(":")[1] for text in cell.outputs] == [
        "30000/left",
        "30000/right",
    ]
    assert [text.split(":")[0] for text in cell.outputs] == ["Built", "Built"]
    assert "@task(container_image=both[1])" in cell.outputs[1]
    assert value(notebook, "[spec.name for spec in both]") == "['left', 'right']"


def test_each_of_several_has_its_own_output_and_place_whichever_ends_first(
    notebook: Kernel, gate: Gates
) -> None:
    cell = begin(notebook, gate, "slow", "quick", options="pair")
    listed = notebook.run("%envd builds").text
    assert re.search(r" running .* pair  .* and 1 more$", listed, re.MULTILINE), listed
    at_gate(gate, "quick")
    assert "at the gate slow" not in cell.outputs[1]
    gate.open("quick")
    deadline = time.monotonic() + 30
    while not cell.outputs[1].startswith("Built: "):
        assert time.monotonic() < deadline
        notebook.run("pass")
    assert "@task(container_image=pair[1])" in cell.outputs[1]
    assert value(notebook, "[one and one.name for one in pair]") == "[None, 'quick']"
    gate.open("slow")
    assert notebook.run("%envd wait").error is None
    assert value(notebook, "[one and one.name for one in pair]") == "['slow', 'quick']"


def test_one_that_fails_lets_those_that_run_end_and_no_other_begin(
    notebook: Kernel, gate: Gates
) -> None:
    cell = begin(notebook, gate, "fails", "lasts", "unborn", options="three --jobs 2")
    at_gate(gate, "lasts")
    gate.open("fails", "fail")
    deadline = time.monotonic() + 30
    while not cell.outputs[0].startswith("Failed to build: "):
        assert time.monotonic() < deadline
        notebook.run("pass")
    assert is_running(gate.pid("lasts"))
    gate.open("lasts")
    assert notebook.run("%envd wait").error == "BuildError"
    assert [text.split(":")[0] for text in cell.outputs] == [
        "Failed to build",
        "Built",
        "Stopped",
    ]
    assert not (gate.folder / "unborn.pid").exists()
    assert value(notebook, "[one and one.name for one in three]") == "[None, 'lasts', None]"


def test_interrupt_ends_all_that_are_built_at_once(notebook: Kernel, gate: Gates) -> None:
    names = ("here", "there", "later")
    specs = ", ".join(gate.spec(name) for name in names)
    cell = notebook.start(f"%%envd_build --jobs 2\n[{specs}]")
    at_gate(gate, "here")
    at_gate(gate, "there")
    notebook.manager.interrupt_kernel()
    # Once more, while they end.
    notebook.manager.interrupt_kernel()
    assert cell.finish().error == "BuildInterrupted"
    assert [text.split(":")[0] for text in cell.outputs] == ["Stopped"] * 3
    assert not is_running(gate.pid("here"))
    assert not is_running(gate.pid("there"))
    assert not (gate.folder / "later.pid").exists()


def test_how_many_are_built_at_once_is_a_number_from_1_on(notebook: Kernel, gate: Gates) -> None:
    for number in ("0", "65", "two"):
        said = notebook.run(f"%%envd_build --jobs {number}\n{gate.spec('x')}")
        assert "is no number from" in said.text + said.error_text


def test_what_is_built_of_several_is_bound_though_the_next_one_fails(
    notebook: Kernel, gate: Gates
) -> None:
    gate.open("a")
    gate.open("b", "fail")
    notebook.run("many = 'of before'")
    cell = notebook.run(f"%%envd_build many\n{{'a': {gate.spec('a')}, 'b': {gate.spec('b')}}}")
    assert cell.error == "BuildError"
    assert "@task(container_image=many['a'])" in cell.outputs[0]
    assert value(notebook, "[*many], many['a'].name") == "['a'] a"


def test_background_build_has_the_files_of_when_it_was_asked_for(
    notebook: Kernel, gate: Gates
) -> None:
    file, below = gate.folder / "asked.txt", gate.folder / "below"
    file.write_text("as asked for")
    below.mkdir()
    later = gate.spec("behind", ", copy=['asked.txt']")
    body = f"[{gate.spec('ahead')}, {later}]"
    cell = notebook.run(f"%%envd_build --background\n{body}")
    assert cell.error is None, cell.error_text
    notebook.run(f"import os; os.chdir({str(below)!r})")
    file.write_text("as edited")
    gate.open("ahead")
    gate.open("behind")
    assert notebook.run("%envd wait").error is None
    assert "asked.txt: as asked for\n" in notebook.run("%envd log").text
    notebook.run(f"os.chdir({str(gate.folder)!r})")


def test_spec_that_is_refused_starts_nothing_in_the_background(
    notebook: Kernel, gate: Gates
) -> None:
    wrong = gate.spec("refused", ", copy=['nothing.txt']")
    body = f"[{gate.spec('unbegun')}, {wrong}]"
    cell = notebook.run(f"%%envd_build --background\n{body}")
    assert cell.error == "SpecError"
    assert [text.splitlines()[0] for text in cell.outputs] == [
        "Stopped: unbegun",
        "Failed to build: refused",
    ]
    assert not (gate.folder / "unbegun.pid").exists()
    assert notebook.run("%envd wait").error is None


def test_interrupt_ends_the_build_in_the_cell_and_not_the_one_in_the_background(
    notebook: Kernel, gate: Gates
) -> None:
    begin(notebook, gate, "behind-it", options="kept")
    cell = notebook.start(f"%%envd_build\n{gate.spec('in-front')}")
    cell.until("at the gate in-front")
    notebook.manager.interrupt_kernel()
    assert cell.finish().error == "BuildInterrupted"
    assert not is_running(gate.pid("in-front"))
    assert is_running(gate.pid("behind-it"))
    gate.open("behind-it")
    assert notebook.run("%envd wait").error is None
    assert value(notebook, "kept.name") == "behind-it"


def test_interrupt_while_waiting_ends_the_waiting_only(notebook: Kernel, gate: Gates) -> None:
    begin(notebook, gate, "patient")
    cell = notebook.start("%envd wait").until("at the gate patient")
    notebook.manager.interrupt_kernel()
    cell.finish()
    assert cell.error == "KeyboardInterrupt"
    assert cell.outputs[0].startswith("Building: localhost:30000/patient:")
    assert "shows it on" in cell.outputs[0]
    assert is_running(gate.pid("patient"))
    gate.open("patient")
    assert notebook.run("%envd wait").error is None


def test_nothing_to_wait_for_is_told(notebook: Kernel) -> None:
    assert notebook.run("%envd wait").text == "No build is running.\n"
    assert notebook.run("%envd cancel").text == "No build is running.\n"
    missing = notebook.run("%envd wait 999")
    assert "there is no build 999" in missing.text + missing.error_text


# Here.


def test_failure_shows_few_lines_and_keeps_the_original_exception(
    notebook: Kernel, gate: Gates
) -> None:
    gate.open("wrong", "fail")
    cell = notebook.run(f"%%envd_build wrong\n{gate.spec('wrong')}")
    assert cell.error == "BuildError"
    assert len(cell.error_text.splitlines()) <= 6
    assert cell.outputs[0].startswith("Failed to build: ")
    assert value(notebook, "type(__import__('sys').last_value).__name__") == "BuildError"


def test_failure_shows_few_lines_where_the_notebook_has_imported_flytekit(
    notebook: Kernel, gate: Gates
) -> None:
    # As its import in a notebook does; that of this kernel was made quiet.
    notebook.run("import rich.traceback; kept = dict(vars(get_ipython()))")
    notebook.run("_ = rich.traceback.install()")
    gate.open("rich", "fail")
    cell = notebook.run(f"%%envd_build\n{gate.spec('rich')}")
    assert cell.error == "BuildError"
    assert cell.error_text.count("\n") < 5
    assert "Traceback" not in cell.text
    # Others' errors are shown as they were.
    assert "Traceback" in notebook.run("1 / 0").text
    notebook.run("vars(get_ipython()).pop('_showtraceback'); import sys")
    notebook.run("vars(get_ipython()).update(kept) or vars(get_ipython()).pop('showtraceback')")


def test_whole_traceback_is_shown_where_it_is_asked_for(notebook: Kernel, gate: Gates) -> None:
    gate.open("whole", "fail")
    cell = notebook.run(f"%%envd_build --traceback\n{gate.spec('whole')}")
    assert "Traceback (most recent call last)" in cell.error_text
    assert "build.py" in cell.error_text


def test_error_of_the_cells_own_code_shows_the_cells_lines_alone(notebook: Kernel) -> None:
    cell = notebook.run("%%envd_build\nfound = 1 / 0\nImageSpec(name=found)")
    assert cell.error == "ZeroDivisionError"
    assert "found = 1 / 0" in plain(cell.error_text)
    assert "magic.py" not in cell.error_text


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("%%envd_build\nname = 'x'\npackages = [", "in line 3: packages = ["),
        ("%%envd_build\na = 1\nImageSpec(nam='x')", "line 3: unknown field 'nam'"),
        ("%%envd_build\na = 1\n1 / 0\n", "----> 3 1 / 0"),
        ("%%envd_build --yaml\nname: x\npakages: []", "line 3: unknown field 'pakages'"),
    ],
)
def test_lines_of_a_cell_count_as_its_editor_counts(
    notebook: Kernel, cell: str, shown: str
) -> None:
    assert shown in plain(notebook.run(cell).error_text)


def test_quiet_build_shows_its_end_alone(notebook: Kernel, gate: Gates) -> None:
    gate.open("quiet")
    cell = notebook.run(f"%%envd_build --quiet\n{gate.spec('quiet')}")
    assert cell.error is None, cell.error_text
    # Busy, the input, the output and idle.
    assert cell.messages <= 4
    assert cell.text.startswith("Built: ")


# Logs.


def test_log_of_a_build_is_shown_and_saved(notebook: Kernel, gate: Gates) -> None:
    gate.open("logged")
    notebook.run(f"%%envd_build logged\n{gate.spec('logged')}")
    for line in ("%envd log", "%envd log logged"):
        assert "at the gate logged" in notebook.run(line).text
    assert len(notebook.run("%envd log --lines 1").text.splitlines()) == 2
    target = gate.folder / "my log.txt"
    said = notebook.run("%envd log --save 'my log.txt'")
    assert "Saved" in said.text
    assert "at the gate logged" in target.read_text()


def test_log_of_a_build_that_runs_is_shown_until_now(notebook: Kernel, gate: Gates) -> None:
    cell = begin(notebook, gate, "on-its-way")
    deadline = time.monotonic() + 20
    number = number_of(cell)
    while "at the gate" not in (text := notebook.run(f"%envd log {number}").text):
        assert time.monotonic() < deadline, text
    gate.open("on-its-way")
    notebook.run("%envd wait")


def test_log_that_cannot_be_saved_is_told(notebook: Kernel, gate: Gates) -> None:
    gate.open("unsaved")
    notebook.run(f"%%envd_build\n{gate.spec('unsaved')}")
    cell = notebook.run("%envd log --save /no/such/folder/x")
    assert "/no/such/folder/x cannot be written" in cell.text + cell.error_text


def test_settings_are_part_of_what_a_variable_means(notebook: Kernel) -> None:
    notebook.run("from flytekit import ImageSpec; mine = ImageSpec(name='mine')")
    notebook.run("%config EnvdMagic.registry = 'localhost:5999'")
    shown = notebook.run("%envd preview mine").text
    notebook.run("%config EnvdMagic.registry = None")
    assert shown.startswith("# localhost:5999/mine:")


# Without an engine.


class _Interrupted:
    """A shell in which an interrupt comes before a build has been shown."""

    def __getattr__(self, name: str) -> object:
        raise KeyboardInterrupt


@pytest.mark.parametrize("in_background", [False, True])
def test_build_that_is_interrupted_before_it_is_shown_has_ended(in_background: bool) -> None:
    jobs = Jobs(_Interrupted())
    job = jobs.make(Specs((("", ImageSpec(name="a")),)), Options(), Stop(), None)
    (jobs.start if in_background else jobs.run)(job, quiet=False, tail=1)
    assert job.state == "stopped"
    assert job.ended.is_set()
    assert not jobs.running()


def test_engine_that_is_not_there_is_told_in_a_line(notebook: Kernel) -> None:
    for line in ("%envd images", "%envd run some/image:1 ls"):
        cell = notebook.run(line)
        assert cell.error == "EngineError"
        assert cell.error_text.startswith("EngineError: No Docker engine answers at unix://")
        assert "File " not in cell.error_text
    assert "FAIL  engine" in notebook.run("%envd doctor").text
    reply = notebook.client.complete("%envd images --remove ", reply=True, timeout=30)
    assert reply["content"]["matches"] == [""]


# At the end.


def test_shutting_the_kernel_down_ends_what_runs(
    gate: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    # For the kernel that the test itself starts.
    monkeypatch.setenv("PATH", f"{gate.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    with kernel(gate.folder) as other:
        begin(other, gate, "shut-down")
        pid = gate.pid("shut-down")
        other.manager.shutdown_kernel(now=False)
        deadline = time.monotonic() + 10
        while is_running(pid):
            assert time.monotonic() < deadline


def test_unloading_ends_what_runs_and_loading_again_works(notebook: Kernel, gate: Gates) -> None:
    cell = begin(notebook, gate, "cut-off")
    pid = gate.pid("cut-off")
    assert notebook.run("%unload_ext envd_magic").error is None
    assert not is_running(pid)
    assert cell.outputs[0].startswith("Stopped: ")
    names = value(notebook, "[t.name for t in __import__('threading').enumerate()]")
    assert "envd_magic" not in names
    assert notebook.run("%load_ext envd_magic").error is None
    assert notebook.run("%envd builds").text == "Nothing has been built in this session.\n"

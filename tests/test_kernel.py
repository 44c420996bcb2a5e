"""The cell magic in a real kernel, with real builds."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING

import pytest

from .kernels import Kernel, kernel
from .processes import seconds, sleeping

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lab import Lab


@pytest.fixture
def notebook(lab: Lab, tmp_path: Path) -> Iterator[Kernel]:
    assert lab
    with kernel(tmp_path) as running:
        yield running


def test_a_cell_becomes_an_image_and_a_variable(notebook: Kernel, lab: Lab) -> None:
    mark = uuid.uuid4().hex
    cell = notebook.run(
        f"%%envd_build trainer\n"
        f'ImageSpec(name="kernel", env={{"SEED": "7"}}, commands=["echo {mark} > /mark"])'
    )
    assert cell.error is None, cell.error_text
    image = notebook.run("print(trainer.image_name(), end='')").text
    assert lab.run(image, "cat", "/mark").strip() == mark
    assert "@task(container_image=trainer)" in cell.text


def test_fields_can_be_assigned_and_read_the_notebooks_variables(
    notebook: Kernel, lab: Lab
) -> None:
    notebook.run("seed = 'from the notebook'; name = 'mine'")
    cell = notebook.run("%%envd_build spec\nname = 'assigned'\nhelper = seed\nenv = {'S': helper}")
    assert cell.error is None, cell.error_text
    image = notebook.run("print(spec.image_name(), end='')").text
    assert lab.run(image, "printenv", "S").strip() == "from the notebook"
    left = notebook.run("print(name, 'helper' in globals(), 'env' in globals(), end='')").text
    assert left == "mine False False"


def test_stopping_ends_the_build_and_its_processes(notebook: Kernel, lab: Lab) -> None:
    mark, long = uuid.uuid4().hex, seconds()
    cell = notebook.start(
        f"%%envd_build stopped\n"
        f'ImageSpec(name="stopped", commands=["echo start-{mark}; exec sleep {long}"])'
    )
    cell.until(f"start-{mark}")
    began = time.monotonic()
    notebook.manager.interrupt_kernel()
    cell.finish()
    assert cell.error == "BuildInterrupted"
    assert not notebook.processes("envd build")
    while time.monotonic() - began < 5 and sleeping(long):
        pass
    assert not sleeping(long)
    assert notebook.run("'stopped' in globals()").text == "False"
    assert lab.docker("images", "-q", "stopped").strip() == ""


def test_a_failure_shows_the_spec_and_the_original_exception(notebook: Kernel) -> None:
    cell = notebook.run(
        "%%envd_build broken\n"
        'ImageSpec(name="broken", env={"API_TOKEN": "hush-hush-42"}, '
        'commands=["echo $API_TOKEN", "echo gone wrong >&2; sleep 0.5; exit 3"])'
    )
    assert cell.error == "BuildError"
    assert "commands=[" in cell.text
    assert "exit code 3" in cell.error_text
    assert "gone wrong" in cell.error_text
    assert "hush-hush-42" not in cell.text + cell.error_text
    kind = notebook.run("import sys; print(type(sys.last_value).__name__, end='')").text
    assert kind == "BuildError"


def test_a_mistake_is_no_traceback(notebook: Kernel) -> None:
    cell = notebook.run("%%envd_build --registri x\nImageSpec()")
    assert cell.error == "UsageError" or "--registry" in cell.text + cell.error_text
    cell = notebook.run("%%envd_build\npackages = ['no good; rm -rf /']")
    assert cell.error == "SpecError"
    assert "File " not in cell.error_text


def test_an_image_that_is_there_is_not_built_again(notebook: Kernel) -> None:
    code = f"%%envd_build again\nImageSpec(name='again', env={{'X': '{uuid.uuid4().hex}'}})"
    notebook.run(code)
    second = notebook.run(code)
    assert "Already there" in second.text
    forced = notebook.run(code.replace("again\n", "again --force\n", 1))
    assert "Built" in forced.text


def test_two_kernels_build_at_the_same_time(lab: Lab, tmp_path: Path) -> None:
    assert lab
    marks = [uuid.uuid4().hex for _ in range(2)]
    with kernel(tmp_path) as one, kernel(tmp_path) as two:
        cells = [
            k.start(f"%%envd_build s\nImageSpec(name='two', commands=['sleep 1; echo {m} > /m'])")
            for k, m in zip((one, two), marks, strict=True)
        ]
        assert [cell.finish().error for cell in cells] == [None, None]
        for k, mark in zip((one, two), marks, strict=True):
            image = k.run("print(s.image_name(), end='')").text
            assert lab.run(image, "cat", "/m").strip() == mark


def test_a_flood_stays_a_few_messages(notebook: Kernel) -> None:
    cell = notebook.run(
        "%%envd_build flood --force\n"
        "ImageSpec(name='flood', commands=['seq 1 200000', 'echo the end of it'])"
    )
    assert cell.error is None, cell.error_text
    assert cell.messages < 400


def test_a_killed_kernel_leaves_no_process(lab: Lab, tmp_path: Path) -> None:
    assert lab
    with kernel(tmp_path) as running:
        mark, long = uuid.uuid4().hex, seconds()
        cell = running.start(
            f"%%envd_build\nImageSpec(name='killed', commands=['echo at-{mark}; sleep {long}'])"
        )
        cell.until(f"at-{mark}")
        assert running.processes("envd build")
        assert sleeping(long)
        running.manager.shutdown_kernel(now=True)
        deadline = time.monotonic() + 5
        while (running.processes("envd build") or sleeping(long)) and time.monotonic() < deadline:
            pass
        assert not running.processes("envd build")
        assert not sleeping(long)

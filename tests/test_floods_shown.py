"""A build of 200,000 lines, 55 MB, as a notebook, a program that runs one and a log show it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient

from .gates import FLOOD, far, gates
from .kernels import Kernel, kernel

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_MB = 1 << 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, envd_home: Path) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("floods")
    with gates(place, envd_home, FLOOD):
        yield place


@pytest.fixture(autouse=True)
def _first_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the programs that a test itself starts find that envd too."""
    monkeypatch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture(scope="module")
def notebook(folder: Path) -> Iterator[Kernel]:
    with kernel(folder) as running:
        # Whatever is imported and kept once is so before memory is measured.
        warm = running.run(f"%%envd_build\n{far('warm')}")
        assert warm.error is None, warm.error_text
        yield running


def memory(notebook: Kernel) -> int:
    code = "print(open('/proc/self/statm').read().split()[1], end='')"
    return int(notebook.run(code).text) * 4096


def test_flood_is_at_most_ten_messages_a_second_and_the_kernel_stays_small(
    notebook: Kernel,
) -> None:
    before = memory(notebook)
    began = time.monotonic()
    cell = notebook.run(f"%%envd_build flood\n{far('flood')}")
    seconds = time.monotonic() - began
    assert cell.error is None, cell.error_text
    # Busy, the input, the first and the last picture, and idle come however short it is.
    assert cell.messages <= 10 * seconds + 5
    assert memory(notebook) - before < 10 * _MB


def test_last_line_of_a_flood_is_seen_and_is_in_the_log(notebook: Kernel) -> None:
    spec = far("bad", ", env={'HOW': 'fail'}")
    cell = notebook.run(f"%%envd_build\n{spec}")
    assert cell.error == "BuildError"
    assert "the last line" in cell.outputs[-1]
    assert notebook.run("%envd log --lines 20").text.count("the last line") == 1


def test_flood_in_the_background_is_at_most_ten_messages_a_second(notebook: Kernel) -> None:
    began = time.monotonic()
    notebook.run(f"%%envd_build --background\n{far('behind')}")
    waiting = notebook.run("%envd wait")
    assert waiting.error is None, waiting.error_text
    assert waiting.everything <= 10 * (time.monotonic() - began) + 5


def test_notebook_that_a_program_runs_has_plain_lines_and_stays_small(folder: Path) -> None:
    cells = ["%load_ext envd_magic", f"%%envd_build x\n{far('unwatched')}"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    NotebookClient(book, resources={"metadata": {"path": str(folder)}}).execute()
    streams = [out for out in book.cells[1].outputs if out.output_type == "stream"]
    shown = [out for out in book.cells[1].outputs if out.output_type == "display_data"]
    lines = "".join(out.text for out in streams).splitlines()
    assert "#1 0.1 line 0 of the flood" in "\n".join(lines[:8])
    assert "#1 0.2 the last line" in lines
    assert any("lines left out here; the log has them" in line for line in lines)
    assert len(shown) == 1
    assert shown[0].data["text/plain"].startswith("Built: ")
    assert len(nbformat.writes(book)) < _MB // 2


def test_builds_at_once_in_a_notebook_that_a_program_runs_have_their_lines_by_themselves(
    folder: Path,
) -> None:
    specs = f"[{far('first')}, {far('second')}]"
    cells = ["%load_ext envd_magic", f"%%envd_build x\n{specs}"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
    NotebookClient(book, resources={"metadata": {"path": str(folder)}}).execute()
    outputs = book.cells[1].outputs
    ends = [number for number, out in enumerate(outputs) if out.output_type == "display_data"]
    assert len(ends) == 2
    begin = 0
    for end, name in zip(ends, ("first", "second"), strict=True):
        assert outputs[end].data["text/plain"].startswith(f"Built: localhost:30000/{name}:")
        lines = "".join(out.text for out in outputs[begin:end])
        assert lines.count("the last line") == 1
        assert lines.count("localhost:30000/") == lines.count(f"localhost:30000/{name}:") > 0
        begin = end + 1
    assert len(outputs) == begin


def test_output_that_goes_to_a_file_is_plain_lines(folder: Path) -> None:
    code = f"%load_ext envd_magic\n%envd build {far('filed')!r}"
    target = folder / "output"
    with target.open("w") as file:
        command = [sys.executable, "-m", "IPython", "--no-banner", "-c", code]
        subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, cwd=folder, check=True)
    text = target.read_text()
    assert "\x1b" not in text
    assert "\r" not in text
    lines = text.splitlines()
    assert "#1 0.2 the last line" in lines
    assert any(line.startswith("Built: localhost:30000/filed:") for line in lines)

"""Signals that end a process in the middle of its builds: it ends by them, and leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .gates import Gates, gates
from .notebooks import write
from .processes import MARK, marked, until

if TYPE_CHECKING:
    from collections.abc import Iterator

# Seconds for a start on a machine that has much to do.
_PATIENCE = 120
_SCRIPT = """
from flytekit import ImageSpec
from envd_magic import build
build({spec}, force=True)
"""


@pytest.fixture
def gate(tmp_path: Path, envd_home: Path) -> Iterator[Gates]:
    (tmp_path / "gates").mkdir()
    with gates(tmp_path / "gates", envd_home) as found:
        yield found


@dataclass
class Started:
    """A process that builds, with a folder of its own for what is temporary."""

    process: subprocess.Popen[str]
    mark: str
    temporary: Path

    def left(self) -> list[str]:
        """Give what it has left: folders and processes."""
        folders = [path.name for path in self.temporary.glob("envd_magic*")]
        return folders + list(marked(self.mark).values())


def start(folder: Path, *words: str, closed: str = "default") -> Started:
    """Start Python; what the end of a terminal does to it: "default", or "ignore"."""
    mark = uuid.uuid4().hex
    temporary = folder / "tmp"
    temporary.mkdir()
    process = subprocess.Popen(
        # Who runs the tests may ignore the end of a terminal.
        ["env", f"--{closed}-signal=HUP", sys.executable, *words],
        env={**os.environ, MARK: mark, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return Started(process, f"{MARK}={mark}", temporary)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_a_signal_ends_tidies_up_and_records_what_had_ended(
    gate: Gates, tmp_path: Path, number: signal.Signals
) -> None:
    names = ("ended", "runs", "never")
    paths = [
        write(tmp_path / f"{name}.ipynb", f"%%envd_build {name}\n{gate.spec(name)}")
        for name in names
    ]
    before = [path.read_bytes() for path in paths]
    started = start(tmp_path, "-m", "envd_magic", "build", "-j2", *map(str, paths))
    gate.open("ended")
    until((gate.folder / "never.pid").exists, _PATIENCE)
    started.process.send_signal(number)
    _, errors = started.process.communicate(timeout=30)
    assert started.process.returncode == -number, errors
    assert errors == "1 built, 2 stopped\nStopped\n"
    assert until(lambda: started.left() == []) < 5
    assert b'"spec_hash"' in paths[0].read_bytes()
    assert [path.read_bytes() for path in paths[1:]] == before[1:]


def test_a_script_that_is_terminated_in_a_build_leaves_nothing(gate: Gates, tmp_path: Path) -> None:
    started = start(tmp_path, "-c", _SCRIPT.format(spec=gate.spec("script")))
    until((gate.folder / "script.pid").exists, _PATIENCE)
    assert started.left()
    started.process.terminate()
    started.process.communicate(timeout=30)
    assert started.process.returncode == -signal.SIGTERM
    assert until(lambda: started.left() == []) < 5


def test_a_command_that_ignores_a_closed_terminal_builds_on(gate: Gates, tmp_path: Path) -> None:
    path = write(tmp_path / "a.ipynb", f"%%envd_build a\n{gate.spec('a')}")
    started = start(tmp_path, "-m", "envd_magic", "build", str(path), closed="ignore")
    until((gate.folder / "a.pid").exists, _PATIENCE)
    started.process.send_signal(signal.SIGHUP)
    gate.open("a")
    _, errors = started.process.communicate(timeout=30)
    assert started.process.returncode == 0, errors


def test_builds_that_nobody_reads_on_are_not_told_to_be_well(gate: Gates, tmp_path: Path) -> None:
    paths = [
        write(tmp_path / f"{name}.ipynb", f"%%envd_build {name}\n{gate.spec(name)}")
        for name in ("one", "two")
    ]
    started = start(tmp_path, "-m", "envd_magic", "build", "-j2", *map(str, paths))
    until(lambda: len(list(gate.folder.glob("*.pid"))) == 2, _PATIENCE)
    assert started.process.stdout is not None
    started.process.stdout.close()
    gate.open("one")
    assert started.process.wait(timeout=30) == 130
    assert until(lambda: started.left() == []) < 5


@pytest.mark.parametrize("more", [["-j1"], ["-j2", "--json"]])
def test_output_on_a_full_disk_stops_no_build_and_is_told(
    gate: Gates, tmp_path: Path, more: list[str]
) -> None:
    paths = [
        write(tmp_path / f"{name}.ipynb", f"%%envd_build {name}\n{gate.spec(name)}")
        for name in ("one", "two")[: len(more)]
    ]
    for path in paths:
        gate.open(path.stem)
    words = [sys.executable, "-m", "envd_magic", "build", *more, *map(str, paths)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    told = "error: the output cannot be written to: No space left on device"
    assert done.stderr == f"{len(paths)} built\n{told}\n"
    assert all(b'"spec_hash"' in path.read_bytes() for path in paths)

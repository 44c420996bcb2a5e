"""What a killed process leaves: a later build takes it away, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from flytekit import ImageSpec

from envd_magic import build
from envd_magic.engine import images
from envd_magic.engine.client import Engine
from envd_magic.owner import is_abandoned, private_name
from envd_magic.pipeline import folders
from envd_magic.pipeline.leftovers import Leftovers

from .processes import until

if TYPE_CHECKING:
    from .lab import Lab

_ASK = "from envd_magic.owner import private_name; print(private_name(), end='')"


@pytest.fixture
def dead() -> str:
    """A name of a process that is no more."""
    return subprocess.run(
        [sys.executable, "-c", _ASK], capture_output=True, text=True, check=True
    ).stdout


def test_name_of_a_dead_process_is_abandoned_wherever_it_stands(dead: str) -> None:
    names = (dead, f"envd_magic-build:{dead}-finished", f"/envd_magic-{dead}", f"x-{dead}-y")
    assert all(map(is_abandoned, names))


def test_names_of_others_are_not_abandoned(dead: str) -> None:
    machine, process, unique = dead.split("-")
    elsewhere = "0" * len(machine)
    names = (
        private_name(),
        f"{elsewhere}-{process}-{unique}",
        f"{machine}-{process}-{unique}0",
        f"a{dead}",
        f"{machine}-{process}",
        "python:3.11",
    )
    assert not any(map(is_abandoned, names))


def test_killed_process_that_nobody_asked_for_yet_is_no_more() -> None:
    script = f"{_ASK}; import os, sys; sys.stdout.flush(); os.close(1); os.kill(os.getpid(), 9)"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        name = process.stdout.read()
        assert name
        while not is_abandoned(name):
            assert process.returncode is None


def test_build_takes_away_what_dead_processes_left_and_nothing_else(
    lab: Lab, dead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    alive = private_name()
    for name in (dead, alive):
        lab.docker("create", "--name", f"envd_magic-{name}", lab.base_image, "true")
        lab.docker("tag", lab.base_image, f"envd_magic-build:{name}")
        folder = tmp_path / f"envd_magic-build-{name}-x" / "spec" / "closed"
        folder.mkdir(parents=True)
        folder.chmod(0o500)
    users = tmp_path / "users"
    users.mkdir()
    link = tmp_path / f"envd_magic-build-{dead}-link"
    link.symlink_to(users)
    (tmp_path / "envd_magic-mine").mkdir()
    try:
        build(ImageSpec(name="sweeps"), force=True)
        containers = lab.docker("ps", "-a", "--format", "{{.Names}}").split()
        assert f"envd_magic-{dead}" not in containers
        assert f"envd_magic-{alive}" in containers
        images = lab.docker("images", "--format", "{{.Tag}}", "envd_magic-build").split()
        assert dead not in images
        assert alive in images
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {f"envd_magic-build-{alive}-x", link.name, "users", "envd_magic-mine"}
    finally:
        lab.docker("rm", f"envd_magic-{alive}")
        lab.docker("rmi", f"envd_magic-build:{alive}")


@pytest.mark.parametrize("ahead", [-1, 600], ids=["its time has come", "it was listed just now"])
def test_engine_is_listed_for_what_others_left_only_when_its_time_has_come(
    lab: Lab, envd_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: int
) -> None:
    assert lab
    # In a folder of its own, where nothing tells of a process that has died.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    build(ImageSpec(name="sweeps"), force=True)
    for path in (envd_home / "cache" / "swept").iterdir():
        os.utime(path, (time.time() + ahead,) * 2)
    listed = Mock(return_value=[])
    monkeypatch.setattr(images, "own_names", listed)
    build(ImageSpec(name="sweeps"), force=True)
    assert listed.called is (ahead < 0)


def test_a_temporary_folder_that_may_not_be_listed_hides_what_is_in_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "listdir", Mock(side_effect=PermissionError))
    assert folders.sweep() is False


def test_killed_build_leaves_nothing_after_the_next_one(lab: Lab, tmp_path: Path) -> None:
    script = """
import os, signal
print(os.getpid(), flush=True)
from flytekit import ImageSpec
from envd_magic import build
from envd_magic.engine import images
from envd_magic.engine.client import Engine
def die(event):
    if "gone now" in repr(event):
        os.kill(os.getpid(), signal.SIGKILL)
build(ImageSpec(name="dies", commands=["echo gone now; sleep 600"]), force=True, listener=die)
"""
    killed = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert killed.returncode == -9, killed.stderr
    assert list(tmp_path.glob("envd_magic*"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tempfile, "tempdir", str(tmp_path))
        build(ImageSpec(name="sweeps"), force=True)
    assert not list(tmp_path.glob("envd_magic*"))
    names = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert f"-{killed.stdout.strip()}-" not in names


def test_name_that_the_engine_gives_after_the_build_was_given_up_is_taken_away(lab: Lab) -> None:
    name = f"envd_magic-build:{private_name()}"
    engine = Engine()
    leftovers = Leftovers()
    leftovers.remove([name], engine, given_up=True)
    engine.close()
    assert leftovers.wait(30)
    lab.docker("tag", lab.base_image, name)
    until(lambda: name not in lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split())

"""Disks that are full: the engine's, the log's, and that of all that is kept."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from envd_magic import BuildError
from envd_magic.errors import FileError
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.options import Options
from envd_magic.records.recording import write_lines

from .gates import gates
from .lab.process import run
from .notebooks import run as run_command
from .notebooks import write
from .own import own_engine
from .users import User, log_text
from .users import user as user  # noqa: PLC0414 - fixtures
from .users import users_home as users_home  # noqa: PLC0414

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lab import Lab

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounts small file systems")

_FULL = "No space left on device"


@contextmanager
def small(place: Path, size: str) -> Iterator[Path]:
    """Mount a file system of a size."""
    place.mkdir()
    run("mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place))
    try:
        yield place
    finally:
        run("umount", str(place))


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 12))


@pytest.fixture
def cramped(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An engine whose disk has room for little more than the base image."""
    with own_engine(lab.base_image, disk=500) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.host)
        yield


@pytest.mark.usefixtures("cramped")
def test_engine_whose_disk_is_full_is_told_and_the_next_build_works(user: User) -> None:
    with pytest.raises(BuildError, match="No space left on device") as caught:
        user.build("echo now at it; head -c 600M /dev/zero > /big")
    assert caught.value.diagnosis is not None
    assert caught.value.diagnosis.kind == "disk-full"
    assert caught.value.diagnosis.field == "commands"
    assert "now at it" in log_text()
    user.has_what_was()
    user.can_build()


def test_log_whose_disk_is_full_ends_there_and_the_build_goes_on(
    lab: Lab, user: User, tmp_path: Path
) -> None:
    assert lab
    with small(tmp_path / "logs", "256k") as logs:
        options = Options(force=True, log_folder=logs)
        result = build_spec(user.spec("seq 1 100000", f"echo {user.name}"), options)
        assert result.status == "built"
        assert result.log_file is not None
        assert result.warnings[-1] == (
            f"the log ends here, {result.log_file} cannot be written to: No space left on device"
        )
        text = result.log_file.read_text()
        assert len(text) == 256 << 10
        found = re.findall(r"^#\d+ \d+\.\d+ (\d+)$", text, re.MULTILINE)
        numbers = [int(number) for number in found]
        # The last one may be cut.
        assert numbers[:-1] == list(range(1, len(numbers)))
        assert len(numbers) > 10_000
        for path in logs.iterdir():
            path.unlink()
        again = build_spec(user.spec("echo after"), options)
        assert again.status == "built"
        assert _FULL not in "".join(again.warnings)


def test_full_disk_of_all_that_is_kept_stops_no_build(
    lab: Lab, user: User, envd_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    with small(tmp_path / "kept", "2m") as kept:
        shutil.copytree(envd_home / "cache/envd", kept / "cache/envd", symlinks=True)
        monkeypatch.setenv("ENVD_MAGIC_HOME", str(kept))
        user.build("echo before")
        with pytest.raises(OSError, match=_FULL):
            fill(kept / "full")
        result = user.build(f"echo {user.name} on a full disk", packages=["six"])
        assert result.status == "built"
        assert any(f"the log ends here, {kept}" in warning for warning in result.warnings)
        (kept / "full").unlink()
        assert _FULL not in "".join(user.build("echo after").warnings)


def test_full_disks_of_this_machine_are_told_with_what_names_another_place(
    envd_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gates").mkdir()
    (tmp_path / "big.bin").write_bytes(bytes(1 << 20))
    with gates(tmp_path / "gates", envd_home) as gate, small(tmp_path / "small", "256k") as place:
        spec = gate.spec("full", ", copy=['big.bin']")
        path = write(tmp_path / "a.ipynb", f"%%envd_build full\n{spec}")
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(place))
            told = run_command("build", path).stdout
            assert not list(place.glob("envd_magic*"))
        assert f"the build folder {place}/envd_magic-build-" in told
        assert f"cannot be written: {_FULL}" in told
        assert "export TMPDIR=" in told
        with pytest.raises(OSError, match=_FULL):
            fill(place / "full")
        monkeypatch.setenv("ENVD_MAGIC_HOME", str(place / "home"))
        told = run_command("build", path).stdout
        assert f"cannot be written to: {_FULL}" in told
        assert "export ENVD_MAGIC_HOME=" in told


def test_recording_on_a_full_disk_is_told_and_leaves_no_half_of_one(tmp_path: Path) -> None:
    with small(tmp_path / "small", "64k") as place:
        target = place / "a.jsonl"
        with pytest.raises(FileError, match=f"cannot be written: {_FULL}"):
            write_lines(target, ["x" * 4096] * 100)
        assert list(place.iterdir()) == []

"""An envd that is killed in the middle, and envds of other versions."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from envd_magic import BuildError, EnvdVersionError

from .fakes import fake_envd
from .processes import MARK, envds, marked, seconds, sleeping, until
from .users import User, log_text
from .users import user as user  # noqa: PLC0414 - fixtures
from .users import users_home as users_home  # noqa: PLC0414

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab

_OLDEST, _TOO_OLD = "1.0.1", "0.4.3"
# The oldest that will do knows other words than later ones; what it says of itself is its own.
_NEW = """
if words == ["version"]:
    print("envd: v99.0.0")
    sys.exit()
real()
"""


def test_envd_that_is_killed_is_told_and_the_next_build_works(
    lab: Lab, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    mark, long = uuid.uuid4().hex, seconds()
    monkeypatch.setenv(MARK, mark)

    def kill() -> None:
        [envd] = envds(f"{MARK}={mark}")
        os.kill(envd, signal.SIGKILL)

    with pytest.raises(BuildError, match=r"ended from outside \(signal 9: Killed\)") as caught:
        user.build(f"echo step $((6 * 7)); sleep {long}", at="step 42", do=kill)
    assert caught.value.diagnosis is not None
    assert caught.value.diagnosis.kind == "envd-killed"
    assert " step 42\n" in log_text()
    assert until(lambda: not sleeping(long)) < 5
    assert not marked(f"{MARK}={mark}")
    user.has_what_was()
    user.can_build()


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the real programs of other versions."""
    folder = tmp_path_factory.mktemp("envds")
    for version in (_OLDEST, _TOO_OLD):
        target = ["--target", str(folder / version), f"envd=={version}"]
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--no-deps", *target], check=True)
    return folder


def first_on_path(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


def test_oldest_envd_that_will_do_builds(
    lab: Lab, user: User, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_on_path(others / _OLDEST / "bin", monkeypatch)
    result = user.build("echo of the oldest > /oldest", packages=["six"])
    assert lab.run(result.image, "cat", "/oldest") == "of the oldest\n"
    assert lab.run(result.image, "python", "-c", "import six; print(six.__name__)") == "six\n"


def test_envd_that_is_too_old_is_told_before_anything_runs(
    lab: Lab, user: User, others: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    with monkeypatch.context() as patch:
        first_on_path(others / _TOO_OLD / "bin", patch)
        told = rf"{_TOO_OLD}/bin/envd is envd {_TOO_OLD}; 1\.0 or later is needed"
        with pytest.raises(EnvdVersionError, match=told) as caught:
            user.build("true")
        assert caught.value.diagnosis is not None
        assert caught.value.diagnosis.kind == "envd-old"
        assert "pip install --upgrade envd" in caught.value.diagnosis.fixes[0].command
    user.has_what_was()
    user.can_build()


def test_envd_of_a_version_to_come_builds(
    lab: Lab, user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    calls = fake_envd(tmp_path, monkeypatch, _NEW, command="version")
    assert shutil.which("envd") == str(tmp_path / "bin/envd")
    user.can_build()
    assert '["version"]' in calls.read_text()

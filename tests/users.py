"""A user whose build meets a fault: what is theirs is to be afterwards as it was before."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic.owner import private_name
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.last import last_result
from envd_magic.pipeline.options import Options

from .lab.process import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envd_magic.pipeline.result import BuildResult

_QUIET = {"ENVD_ANALYTICS": "false"}


def let_others_in(folder: Path) -> None:
    """Let other users into a folder that is below pytest's own, which are for one user alone."""
    for one in (folder, *folder.parents[:3]):
        one.chmod(one.stat().st_mode | 0o011)


class User:
    """A home with an envd context, a folder with a file, and an image that was built well.

    Parameters
    ----------
    home
        The home, which is the current folder as well.
    """

    def __init__(self, home: Path) -> None:
        self.home = home
        self._waiting: list[tuple[str, Callable[[], object]]] = []
        self.name = f"fault-{uuid.uuid4().hex[:8]}"
        (home / "data.txt").write_text("mine")
        (home / ".bashrc").write_text("# mine\n")
        create = ["context", "create", "--name", "mine", "--builder", "moby-worker", "--use"]
        subprocess.run(
            ["envd", *create], check=True, capture_output=True, env={**os.environ, **_QUIET}
        )
        self.good = ""
        self.build("echo good")
        self.state = self._state()

    def spec(self, *commands: str, **fields: Any) -> ImageSpec:
        """Make a spec whose image has the name of the one that was built well."""
        return ImageSpec(
            name=self.name, tag_format="v1", copy=["data.txt"], commands=[*commands], **fields
        )

    def build(
        self, *commands: str, at: str = "", do: Callable[[], object] | None = None, **fields: Any
    ) -> BuildResult:
        """Build, and do something as soon as an event tells of a text."""
        self._waiting = [(at, do)] if do is not None else []
        options = Options(force=True, listener=self._hear)
        result = build_spec(self.spec(*commands, **fields), options)
        if result.image == f"{self.name}:v1":
            self.good = result.digest
        return result

    def then(self, at: str, do: Callable[[], object]) -> None:
        """Do something more in the same build, when an event tells of a text."""
        self._waiting.append((at, do))

    def _hear(self, event: object) -> None:
        if self._waiting and self._waiting[0][0] in repr(event):
            self._waiting.pop(0)[1]()

    def has_what_was(self) -> None:
        """See that files, contexts and the last good image are as before."""
        assert self._state() == self.state
        assert run("docker", "image", "inspect", "-f", "{{.Id}}", f"{self.name}:v1") == (
            f"{self.good}\n"
        )

    def can_build(self) -> None:
        """See that the next build works, and that none has left a private name."""
        before = self.good
        result = self.build(f"echo the one after {self.good}")
        assert result.status == "built"
        assert self.good != before
        names = run("docker", "images", "--format", "{{.Repository}}:{{.Tag}}")
        assert private_name().rpartition("-")[0] not in names

    def _state(self) -> dict[str, bytes]:
        found = (path for path in self.home.rglob("*") if path.is_file())
        return {str(path): path.read_bytes() for path in found if ".flyte" not in path.parts}


@pytest.fixture(scope="module")
def users_home(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[User]]:
    """The home of the user of a module, and the user, once there is one."""
    return tmp_path_factory.mktemp("home"), []


@pytest.fixture
def user(
    users_home: tuple[Path, list[User]], envd_home: Path, monkeypatch: pytest.MonkeyPatch
) -> User:
    """Such a user; tests name the engine in their environment before."""
    home, made = users_home
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    if not made:
        made.append(make_user(home, envd_home))
    return made[0]


def make_user(home: Path, envd_home: Path) -> User:
    """Make the user of a home, which the environment and the current folder name already."""
    # A new home's first command makes a key, which takes seconds.
    state = home / ".config/envd"
    state.mkdir(parents=True)
    for key in (envd_home / "cache/envd").glob("id_rsa_envd*"):
        shutil.copy(key, state)
    return User(home)


def log_text() -> str:
    """Give the log of the last build."""
    result = last_result()
    assert result is not None
    assert result.log_file is not None
    return result.log_file.read_text()


def interrupt() -> None:
    """Interrupt, as the stop button does."""
    os.kill(os.getpid(), signal.SIGINT)

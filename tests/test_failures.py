"""Failures of every stage: stage and spec are told, and the first error is what is raised."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any
from unittest.mock import Mock

import pytest
from flytekit import ImageSpec

from envd_magic import (
    BaseImageError,
    BootstrapError,
    BuildError,
    ContextError,
    EngineError,
    EnvdMagicError,
    EnvdNotFoundError,
    PushError,
    SpecError,
    build,
    last_result,
)
from envd_magic.engine import finishing
from envd_magic.pipeline.leftovers import Leftovers
from envd_magic.plugin import EnvdImageSpecBuilder

from .fakes import fake_envd

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab

_HIDDEN = "sesame-4711"
# Passes on what comes through one socket to another.
_RELAY = """
import socket, sys, threading
def copy(one, other):
    while data := one.recv(65536):
        other.sendall(data)
    other.shutdown(socket.SHUT_WR)
server = socket.socket(socket.AF_UNIX)
server.bind(sys.argv[1])
server.listen()
while True:
    here, there = server.accept()[0], socket.socket(socket.AF_UNIX)
    there.connect(sys.argv[2])
    for pair in ((here, there), (there, here)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


def relayed(door: Path, lab: Lab) -> subprocess.Popen[bytes]:
    """Let a socket lead to the lab's engine."""
    door.unlink(missing_ok=True)
    relay = subprocess.Popen(
        [sys.executable, "-c", _RELAY, str(door), lab.docker_host.removeprefix("unix://")]
    )
    while not door.exists():
        assert relay.poll() is None
    return relay


def spec(**fields: object) -> ImageSpec:
    """A spec that holds a secret."""
    return ImageSpec(name="fails", env={"API_TOKEN": _HIDDEN}, **fields)


@pytest.fixture
def failing(capsys: pytest.CaptureFixture[str]) -> Failing:
    return Failing(capsys)


class Failing:
    """Builds what fails, by the plug-in, and looks at what is told."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, kind: type[Exception], stage: str, what: ImageSpec) -> str:
        """Give what was printed."""
        self._capsys.readouterr()
        with pytest.raises(kind) as caught:
            EnvdImageSpecBuilder().build_image(what)
        printed = self._capsys.readouterr().out
        assert "ImageSpec(" in printed
        assert "name='fails'" in printed
        assert f"Stage  {stage}" in printed
        result = last_result()
        assert result is not None
        assert result.status == "failed"
        assert result.stage == stage
        assert result.error == str(caught.value)
        told = printed + str(caught.value) + result.error
        if result.log_file is not None:
            told += result.log_file.read_text()
        assert _HIDDEN not in told
        return printed


def test_spec_that_is_refused(failing: Failing) -> None:
    failing(SpecError, "Preparing", spec(packages=["no good; at all"], base_image="a:1"))
    result = last_result()
    assert result is not None
    assert result.log_file is None


def test_no_envd(failing: Failing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    failing(EnvdNotFoundError, "Preparing", spec(base_image="a:1"))


def test_no_such_context(failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLYTE_ENVD_CONTEXT", "nowhere")
    printed = failing(ContextError, "Preparing", spec(base_image="a:1"))
    assert "'nowhere'" in printed


def test_no_engine(failing: Failing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    failing(EngineError, "Preparing", spec(base_image="a:1"))


def test_folder_that_cannot_be_written_to(
    failing: Failing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "file"))
    printed = failing(EnvdMagicError, "Preparing", spec(base_image="a:1"))
    assert "ENVD_MAGIC_HOME" in printed


def test_no_base_image(lab: Lab, failing: Failing) -> None:
    what = spec(base_image=f"{lab.registry}/no/such:1")
    printed = failing(BaseImageError, "Looking at the base image", what)
    assert "no/such:1" in printed


def test_bootstrap(
    lab: Lab, failing: Failing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    config = tmp_path / "registries.json"
    config.write_text('{"registries": [{"name": "localhost", "use_http": true}]}')
    program = (
        """print('level=fatal msg=exit error="no builder today"', file=sys.stderr); sys.exit(9)"""
    )
    fake_envd(tmp_path, monkeypatch, program, command="bootstrap")
    printed = failing(BootstrapError, "Setting up the builder", spec(registry_config=str(config)))
    assert "registry_config: probably envd cannot set up its builder" in printed
    assert "no builder today" in printed


def test_step_of_the_build(lab: Lab, failing: Failing) -> None:
    assert lab
    printed = failing(BuildError, "Building", spec(commands=["echo $API_TOKEN; exit 3"]))
    assert "exit code 3 (field commands)" in printed
    assert ">     commands=" in printed


def test_engine_that_is_gone_in_the_middle(lab: Lab, failing: Failing, tmp_path: Path) -> None:
    # The engine is reached through a socket that goes away while envd runs.
    door = tmp_path / "docker.sock"
    relay = relayed(door, lab)
    program = f"os.kill({relay.pid}, signal.SIGKILL); os.unlink({str(door)!r}); sys.exit(7)"
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", f"unix://{door}")
            fake_envd(tmp_path, patch, program)
            printed = failing(BuildError, "Building", spec())
    finally:
        relay.kill()
        relay.wait()
    assert "exit status 7" in printed
    # When the engine is there again, the next build takes away what this one could not.
    relay = relayed(door, lab)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DOCKER_HOST", f"unix://{door}")
            build(ImageSpec(name="after"), force=True)
    finally:
        relay.kill()
        relay.wait()
    names = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert f"-{os.getpid()}-" not in names


def test_finish(lab: Lab, failing: Failing, monkeypatch: pytest.MonkeyPatch) -> None:
    assert lab

    def gone(*_: object) -> None:
        raise EngineError("Cannot finish the image: it is gone")

    monkeypatch.setattr(finishing, "finish", gone)
    failing(EngineError, "Finishing the image", spec())


def test_registry_that_refuses(lab: Lab, failing: Failing) -> None:
    assert lab
    printed = failing(PushError, "Pushing", spec(registry="localhost:1"))
    assert "registry: the registry localhost:1 does not answer" in printed


def test_failure_of_a_base_spec(lab: Lab, failing: Failing) -> None:
    assert lab
    what = spec(base_image=ImageSpec(name="below", commands=["exit 5"]))
    printed = failing(BuildError, "Building", what)
    assert "below:" in printed


def test_build_prints_the_spec_too(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    assert lab
    with pytest.raises(BuildError):
        build(spec(commands=["false"]), force=True)
    printed = capsys.readouterr().out
    assert "ImageSpec(" in printed
    assert _HIDDEN not in printed


def test_failure_takes_nothing_from_the_next_build(lab: Lab, failing: Failing) -> None:
    assert lab
    failing(BuildError, "Building", spec(commands=["false"]))
    result = build(ImageSpec(name="fine", env={"AT": str(time.time())}))
    assert result.status == "built"
    assert result.error == ""
    assert last_result() == result


def test_step_that_printed_nothing_is_told_without_its_script(lab: Lab) -> None:
    with pytest.raises(
        BuildError, match=r"exit code 4 \(field commands\), and it printed nothing$"
    ):
        build(ImageSpec(name="mute", commands=["exit 4"]))


def test_a_secret_variable_of_the_base_image_is_in_no_log(lab: Lab) -> None:
    base = lab.derive("secret", [f"ENV DB_PASSWORD={_HIDDEN} TOKENIZERS_PARALLELISM=false"])
    with pytest.raises(BuildError) as caught:
        build(ImageSpec(name="base-secret", base_image=base, commands=["env; false"]), force=True)
    result = last_result()
    assert result is not None
    assert result.log_file is not None
    log = result.log_file.read_text()
    assert "DB_PASSWORD=****" in log
    assert "TOKENIZERS_PARALLELISM=false" in log
    assert _HIDDEN not in f"{log}{caught.value}{result}"


@pytest.mark.parametrize("login", ["me:planted0secret@", ""])
def test_an_engine_forgets_the_folder_of_a_recipe_with_a_login_to_a_channel(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, login: str
) -> None:
    forget = Mock()
    monkeypatch.setattr(Leftovers, "forget", forget)
    channel = f"http://{login}127.0.0.1:1/channel"
    fields: dict[str, Any] = {"conda_packages": ["one"], "conda_channels": [channel]}
    with pytest.raises(BuildError):
        build(ImageSpec(name="channel", base_image=lab.base_image, **fields), force=True)
    assert forget.called is bool(login)

"""The lab that the other tests build in."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from . import lab as lab_package
from .lab.engine import engine_pid
from .lab.machine import delete_state, locked
from .lab.network import ensure_bridge, find_bridge, remove_bridge
from .lab.process import Daemon, command_line, run, which
from .lab.registry import ensure_registry, holds, stop_registry
from .lab.settings import debian_sources, pip_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lab import Lab

_DEB822 = """\
# the release
Types: deb
URIs: http://mirror.test/debian/
Suites: trixie trixie-updates
Components: main contrib
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://other.test/
Suites: trixie
Components: main
Signed-By: /usr/share/keyrings/other.gpg

Enabled: no
Types: deb
URIs: http://off.test/
Suites: trixie
Components: main
"""
_ONE_LINE = """\
deb-src http://mirror.test/debian bookworm main
deb http://other.test/linux/debian bookworm stable
deb http://security.test bookworm-security main
deb [arch=amd64] http://mirror.test/debian bookworm main # the release
"""


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_daemon_runs_until_it_is_stopped(tmp_path: Path) -> None:
    daemon = Daemon("sleeper", tmp_path)
    daemon.start("sleep", "60")
    pid = daemon.pid()
    assert pid is not None
    assert command_line(pid) == ["sleep", "60"]
    assert daemon.stop()
    assert daemon.pid() is None
    assert command_line(pid) == []
    assert not daemon.stop()


def test_process_that_got_the_number_of_ours_is_left_alone(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    record = {"pid": sleeper.pid, "argv": ["dockerd", "--data-root", "elsewhere"]}
    (tmp_path / "dockerd.json").write_text(json.dumps(record))
    daemon = Daemon("dockerd", tmp_path)
    assert daemon.pid() is None
    assert not daemon.stop()
    assert sleeper.poll() is None
    assert not daemon.stop()


def test_failing_daemon_is_explained_by_its_log(tmp_path: Path) -> None:
    daemon = Daemon("shell", tmp_path)
    daemon.start("sh", "-c", "echo no such thing >&2; exit 3")
    with pytest.raises(lab_package.LabError, match=r"shell ended.*\n.*no such thing"):
        daemon.wait(lambda: False, seconds=10)


def test_failing_program_is_explained_by_what_it_said() -> None:
    with pytest.raises(lab_package.LabError, match=r"exit 3\nout\nerr"):
        run("sh", "-c", "echo out; echo err >&2; exit 3")


def test_lock_is_held_by_one(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with locked(state), (state / "lab.lock").open() as other:
        assert state.stat().st_mode & 0o777 == 0o700
        with pytest.raises(BlockingIOError):
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (state / "lab.lock").open() as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_only_a_lab_is_ever_deleted(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(lab_package.LabError, match="other things"), locked(tmp_path):
        delete_state(tmp_path)
    state = tmp_path / "state"
    with locked(state):
        (state / "sub").mkdir()
        delete_state(state)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_sources_of_another_release_name_the_bases(tmp_path: Path) -> None:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text(_DEB822)
    assert [str(source) for source in debian_sources(tmp_path, "trixie")] == [
        "deb http://mirror.test/debian bookworm main contrib",
        "deb http://mirror.test/debian bookworm-updates main contrib",
    ]


def test_sources_are_debians_own_with_the_release_first(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(_ONE_LINE)
    assert [str(source) for source in debian_sources(tmp_path, "bookworm")] == [
        "deb http://mirror.test/debian bookworm main",
        "deb http://security.test bookworm-security main",
    ]


def test_machine_without_a_mirror_is_refused(tmp_path: Path) -> None:
    with pytest.raises(lab_package.LabError, match="no Debian mirror with bookworm"):
        debian_sources(tmp_path, "bookworm")


@pytest.mark.skipif(os.geteuid() != 0 or which("iptables") is None, reason="needs root, iptables")
def test_bridge_leaves_nothing(tmp_path: Path) -> None:
    rules = run("iptables-save")
    bridge = ensure_bridge(tmp_path)
    try:
        assert find_bridge(tmp_path) == ensure_bridge(tmp_path) == bridge
        assert find_bridge(tmp_path / "other") is None
        added = set(run("iptables-save").splitlines()) - set(rules.splitlines())
        assert sum(bridge.name in line for line in added) == 3
    finally:
        remove_bridge(tmp_path)
    assert find_bridge(tmp_path) is None
    assert bridge.name not in run("iptables-save")


def test_pip_settings_leave_out_this_machines_folders() -> None:
    listed = """\
:env:.default-timeout='180'
:env:.find-links='/opt/wheels'
global.cert='/etc/ca.crt'
global.extra-index-url='file:///opt/simple\\nhttps://b.test/simple'
global.index-url='https://a.test/simple'
global.timeout='10'
"""
    assert pip_settings(listed).splitlines() == [
        "[global]",
        "extra-index-url = https://b.test/simple",
        "index-url = https://a.test/simple",
        "timeout = 180",
    ]
    assert pip_settings("global.index-url='file:///opt/simple'") == ""


def test_lab_is_up(lab: Lab) -> None:
    assert lab.docker("version", "-f", "{{.Server.Version}}").strip()
    assert lab.base_image.startswith(f"{lab.registry}/")
    assert holds(lab.base_image)
    assert not holds(f"{lab.registry}/lab/python:0")
    assert lab_package.environment() == lab.env
    assert os.environ["DOCKER_HOST"] == lab.docker_host
    assert os.environ["FLYTE_INTERNAL_IMAGE"] == lab.base_image


def test_up_again_finds_what_runs(lab: Lab) -> None:
    pid = engine_pid(lab.state)
    again = lab_package.up()
    assert again.env == lab.env
    assert not again.started
    assert engine_pid(lab.state) == pid


def test_registry_keeps_off_a_taken_port(lab: Lab, tmp_path: Path) -> None:
    with locked(tmp_path):
        other = ensure_registry(tmp_path)
        assert other != lab.registry
        assert ensure_registry(tmp_path) == other
        assert stop_registry(tmp_path)
        with socket.create_server(("127.0.0.1", int(other.rpartition(":")[2]))):
            assert ensure_registry(tmp_path) != other
        assert stop_registry(tmp_path)


def test_base_image_reaches_apt_and_pip(lab: Lab) -> None:
    config = lab.inspect(lab.base_image)["Config"]
    assert config["Cmd"] == ["python3"]
    assert [line.partition("=")[0] for line in config["Env"]] == [
        "PATH",
        "SSL_CERT_FILE",
        "PIP_CERT",
    ]
    script = "apt-get update -qq && apt-get install -qqy tree && python -m pip install -q attrs"
    said = lab.run(lab.base_image, "sh", "-c", f"({script}) >/dev/null && tree --version")
    assert said.startswith("tree v")


def test_derived_image_is_pushed(lab: Lab) -> None:
    image = lab.derive("derived", ["ENV GREETING='hello you'", "RUN echo made > /made"])
    assert image == f"{lab.registry}/lab/derived:1"
    assert holds(image)
    assert lab.run(image, "sh", "-c", 'cat /made; echo "$GREETING"') == "made\nhello you\n"


def test_failing_step_is_explained(lab: Lab) -> None:
    with pytest.raises(lab_package.LabError, match="exit 9"):
        lab.derive("broken", ["RUN echo going wrong; exit 9"])

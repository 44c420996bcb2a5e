"""The doctor, before what users meet: engines, registries, disks that are not as they should be."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic.doctor import examine as module
from envd_magic.doctor import registries
from envd_magic.doctor.examine import CHECKS, examine
from envd_magic.doctor.finding import FAIL, OK, WARNING, Finding
from envd_magic.doctor.subject import Subject
from envd_magic.view.findings import findings_card, findings_text
from envd_magic.view.text import card_text

from .engines import told_engine
from .far import free_port
from .lab.process import run as command
from .notebooks import run, write
from .private import private_registry
from .shells import shell
from .users import interrupt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .lab import Lab
    from .private import Private

PLANTED = "planted-Zq7"


def found(*subjects: Subject) -> dict[str, Finding]:
    """Examine; give the worst that was found of each name."""
    worst: dict[str, Finding] = {}
    for outcome in (OK, WARNING, FAIL):
        worst |= {one.name: one for one in examine(subjects) if one.outcome == outcome}
    return worst


def of(**fields: object) -> Subject:
    return Subject(ImageSpec(name="trainer", **fields))


# In the lab.


def test_nothing_is_wrong_where_all_is_there(lab: Lab) -> None:
    told = found(of(registry=lab.registry))
    wrong = [one for one in told.values() if one.outcome == FAIL]
    assert wrong == []
    assert {"envd", "flytekit", "context", "engine", "registry", "base image"} <= set(told)
    assert told["registry"].text == f"{lab.registry} answers, and asks for no login"


def test_a_registry_that_does_not_run_is_told_and_nothing_else(lab: Lab) -> None:
    host = f"localhost:{free_port('127.0.0.1')}"
    told = found(of(registry=host))
    assert [one.name for one in told.values() if one.outcome == FAIL] == ["registry"]
    assert told["registry"].text == f"{host} cannot be reached: Connection refused"
    assert told["registry"].fix == f"curl -I http://{host}/v2/"


def test_a_base_image_with_a_wrong_tag_is_told(lab: Lab) -> None:
    told = found(of(base_image=f"{lab.registry}/lab/python:no-such"))
    assert told["base image"].outcome == FAIL
    assert "neither in the engine nor in its registry" in told["base image"].text


def test_a_platform_that_the_base_image_lacks_is_told(lab: Lab) -> None:
    told = found(of(platform="linux/arm64"))
    assert "has no linux/arm64; it has linux/amd64" in told["base image"].text
    assert told["base image"].fix == "ImageSpec(platform='linux/amd64', …)"
    assert told["platform"].outcome != OK


def test_a_base_image_is_looked_for_where_no_engine_is(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    told = found(Subject())
    assert told["base image"].text.startswith(f"{lab.base_image} is in its registry")
    assert told["engine"].outcome == FAIL
    assert told["engine"].fix == "sudo systemctl start docker"
    assert "engine's disk" not in told


@pytest.fixture(scope="module")
def private(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    with private_registry(lab, tmp_path_factory.mktemp("private")) as running:
        yield running


@pytest.fixture
def login(
    private: Private, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Finding]:
    """Give what logs docker in with a password, and examines the registry."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def log_in(password: str) -> Finding:
        text = private.config(password) if password else "{}"
        (tmp_path / "config.json").write_text(text)
        return found(of(registry=private.address))["registry"]

    return log_in


def test_a_login_that_the_registry_accepts_is_told(login: Callable[[str], Finding]) -> None:
    told = login("open-sesame")
    assert told.outcome == OK
    assert told.text.endswith("accepts the login that docker has")


@pytest.mark.parametrize("password", ["", PLANTED])
def test_no_login_or_a_wrong_one_is_told_with_the_command(
    login: Callable[[str], Finding], private: Private, password: str
) -> None:
    told = login(password)
    assert told.outcome == FAIL
    assert told.fix == f"docker login {private.address}"
    assert PLANTED not in told.text


def test_an_unknown_authority_is_told_with_the_command(
    login: Callable[[str], Finding], private: Private
) -> None:
    private.distrust()
    try:
        told = login("open-sesame")
    finally:
        private.trust()
    assert told.outcome == FAIL
    assert told.fix == f"sudo cp ca.crt /etc/docker/certs.d/{private.address}/ca.crt"


def test_the_command_line_examines_a_file_and_exits_with_1_where_something_fails(
    lab: Lab, tmp_path: Path
) -> None:
    host = f"localhost:{free_port('127.0.0.1')}"
    notebook = tmp_path / "a.ipynb"
    write(notebook, f"%%envd_build\nImageSpec(name='a', registry='{host}')")
    result = run("doctor", str(notebook), "--json")
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one["name"] for one in told if one["outcome"] == "fail"] == ["registry"]
    assert result.exit_code == 1
    well = run("doctor")
    assert well.exit_code == 0, well.output
    assert "ok    engine" in well.output


def test_the_magic_shows_the_same_and_gives_json(lab: Lab) -> None:
    own = shell()
    assert "ok    base image" in own.do("%envd doctor")
    lines = own.do("%envd doctor --json").splitlines()
    assert {"envd", "engine", "base image"} <= {json.loads(line)["name"] for line in lines}


# Without it: engines and registries that say what they should not.


def test_a_base_image_of_a_registry_that_does_not_run_is_told_in_a_few_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    host = f"localhost:{free_port('127.0.0.1')}"
    told = found(of(base_image=f"{host}/python:3.11"))["base image"]
    assert told.text == f"{host} cannot be reached: Connection refused"


@pytest.fixture
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("s")


def test_an_engine_that_is_too_old_is_told(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with told_engine(short / "e", api="1.39") as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        told = found(Subject())["engine"]
    assert told.outcome == FAIL
    assert "is too old: it speaks API 1.39" in told.text


def test_a_socket_that_is_not_the_users_is_told_with_the_group(short: Path) -> None:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(short / "e"))
        door.listen()
        (short / "e").chmod(0o600)
        if os.getuid() == 0:
            os.chown(short / "e", 65534, 65534)
        nobody = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"]
        ran = subprocess.run(
            [*nobody, sys.executable, "-m", "envd_magic", "doctor", "--json"],
            capture_output=True,
            text=True,
            env={**os.environ, "DOCKER_HOST": f"unix://{short}/e"},
        )
    told = {one["name"]: one for one in map(json.loads, ran.stdout.splitlines())}
    assert ran.returncode == 1, ran.stderr
    assert "Permission denied" in told["engine"]["text"]
    assert told["engine"]["fix"] == 'sudo usermod -aG docker "$USER"'


@contextmanager
def mute() -> Iterator[tuple[str, threading.Event]]:
    """Run a registry that takes requests and says nothing; give when it took one."""
    asked = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as door:

        def take() -> None:
            taken = []
            try:
                while True:
                    taken.append(door.accept())
                    asked.set()
            except OSError:
                pass

        threading.Thread(target=take, daemon=True).start()
        yield f"127.0.0.1:{door.getsockname()[1]}", asked
        door.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def engine(short: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with told_engine(short / "e") as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        yield


@pytest.mark.usefixtures("engine")
def test_a_registry_that_says_nothing_is_told_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "ANSWER", 0.2)
    with mute() as (host, _):
        told = found(of(registry=host))
    assert told["registry"].text.startswith(f"{host} cannot be reached: ")
    assert "timed out" in told["registry"].text
    assert told["engine"].outcome == OK


@pytest.mark.usefixtures("engine")
def test_a_check_that_takes_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    limited = [
        one._replace(seconds=0.5) if one.name == "registry" else one
        for one in CHECKS
        if one.name in ("flytekit", "registry")
    ]
    monkeypatch.setattr(module, "CHECKS", limited)
    with mute() as (host, _):
        told = found(of(registry=host))
    assert told["registry"].text == "no answer within 0 s"
    assert told["flytekit"].outcome == OK


@pytest.mark.usefixtures("engine")
def test_an_interrupt_ends_it_whatever_hangs() -> None:
    with mute() as (host, asked):

        def interrupt_then() -> None:
            asked.wait()
            interrupt()

        threading.Thread(target=interrupt_then, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            examine([of(registry=host)])


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on a disk of 8 MB."""
    place = tmp_path / "full"
    place.mkdir()
    if os.getuid() != 0:
        pytest.skip("only root mounts a disk")
    command("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place))
    yield place
    command("umount", str(place))


def test_a_full_disk_of_the_engine_is_told(
    full: Path, short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with told_engine(short / "e", DockerRootDir=str(full)) as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        told = found(Subject())["engine's disk"]
    assert told.outcome == FAIL
    assert told.fix == "docker builder prune && docker image prune"


@pytest.mark.usefixtures("engine")
def test_a_full_disk_of_our_own_is_told(full: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(full))
    told = found(Subject())["disk"]
    assert told.outcome == FAIL
    assert told.fix == "export ENVD_MAGIC_HOME=…"


@pytest.mark.usefixtures("engine")
def test_a_folder_that_cannot_be_written_to_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "file/below"))
    told = found(Subject())["folders"]
    assert "cannot be written to" in told.text
    assert told.fix == "export ENVD_MAGIC_HOME=…"


@pytest.mark.usefixtures("engine")
def test_a_proxy_that_the_build_lacks_is_told_without_its_password(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://me:{PLANTED}@proxy.invalid:3128")
    told = [one for one in examine([Subject()]) if one.name == "proxy"]
    assert [one.outcome for one in told] == [WARNING, WARNING]
    assert told[0].fix == 'ImageSpec(env={"HTTPS_PROXY": os.environ["HTTPS_PROXY"]}, …)'
    assert "for the engine" in told[1].text
    assert PLANTED not in repr(told)
    given = of(env={"HTTPS_PROXY": "http://proxy.invalid:3128"})
    assert [one.outcome for one in examine([given]) if one.name == "proxy"] == [WARNING]


def test_another_processor_has_to_be_emulated(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with told_engine(short / "e", Architecture="aarch64") as host:
        monkeypatch.setenv("DOCKER_HOST", host)
        told = found(of(platform="linux/amd64"))["platform"]
    assert "linux/amd64 has to be emulated: the engine runs linux/arm64" in told.text
    assert told.outcome == OK or "binfmt --install" in told.fix


@pytest.mark.usefixtures("engine")
def test_a_context_that_is_not_there_is_told_with_how_to_make_it() -> None:
    told = found(Subject(context="nowhere"))
    assert "There is no envd context 'nowhere'" in told["context"].text
    assert told["context"].fix == "envd-magic context add nowhere --builder …"
    assert "loopback" not in told


def test_a_builder_that_does_not_listen_is_told(
    short: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/none.sock")
    told = found(of(registry="localhost:30000", base_image="debian:12"))
    assert told["builder"].outcome == FAIL
    assert told["builder"].fix == "flytectl demo start"
    assert told["engine"].text.startswith("not needed: the builder tcp")


def test_binder_is_told_with_what_works_there(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINDER_REQUEST", "v2/gh/x/y")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{short}/none.sock")
    assert found(Subject())["Binder"].fix == "%envd replay recordings/trainer.jsonl.gz"


# What is shown.

FINDINGS = (
    Finding("envd", OK, "1.3.6"),
    Finding("proxy", WARNING, "lacks it", "export A=b"),
    Finding("engine", FAIL, "is <not> there", "start it"),
)


def test_text_tells_what_fails_and_what_mends_it() -> None:
    assert findings_text(FINDINGS) == [
        "ok    envd    1.3.6",
        "warn  proxy   lacks it",
        "              → export A=b",
        "FAIL  engine  is <not> there",
        "              → start it",
    ]
    head = card_text(findings_card(FINDINGS)).splitlines()[0]
    assert head == "Not all is there: 1 ok, 1 warning, 1 failed"


def test_html_has_the_same_rows() -> None:
    from envd_magic.view.html import card_html

    html = card_html(findings_card(FINDINGS))
    assert html.count("<tr") == 4
    assert "is &lt;not&gt; there" in html
    assert "<code>start it</code>" in html


def test_the_terminal_has_the_same_rows() -> None:
    from rich.console import Console

    from envd_magic.view.terminal import card_rich

    console = Console(width=100, record=True, file=open(os.devnull, "w"))  # noqa: SIM115, PTH123
    console.print(card_rich(findings_card(FINDINGS)))
    text = console.export_text()
    assert "FAIL" in text
    assert "→ start it" in text

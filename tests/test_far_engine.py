"""Engines on other machines: over TCP, with TLS or without, and by ssh."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic import BuildError, BuildInterrupted, EngineError, build
from envd_magic.engine.address import VARIABLES
from envd_magic.engine.bridge import ssh_command
from envd_magic.engine.client import Engine

from .far import Far, far_engine, free_port, ssh_server
from .lab.certificates import Authority
from .lab.engine import start_own, stop_engine
from .lab.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    with far_engine() as running:
        yield running


@pytest.fixture(autouse=True)
def _no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def with_tls(far: Far, monkeypatch: pytest.MonkeyPatch) -> Far:
    monkeypatch.setenv("DOCKER_HOST", far.tcp)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(far.client))
    return far


def fresh(lab: Lab, *commands: str) -> ImageSpec:
    env = {"UNIQUE": uuid.uuid4().hex}
    return ImageSpec(name="far", base_image=lab.base_image, env=env, commands=[*commands])


def test_a_build_lands_in_the_engine_over_tls(lab: Lab, with_tls: Far) -> None:
    result = build(fresh(lab, "echo far > /far.txt"))
    assert with_tls.has(result.image)
    assert not lab.docker("images", "-q", result.image).strip()
    assert with_tls.docker("run", "--rm", result.image, "cat", "/far.txt") == "far\n"
    # What is in the base image, envd asks of this machine, wherever the engine is.
    assert result.log_file is not None
    assert "docker-image://127.0.0.1:" in result.log_file.read_text()


def test_a_build_lands_in_the_engine_over_plain_tcp(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    # Not below pytest's folder: a socket's path has 107 bytes at most.
    state = Path(tempfile.mkdtemp(prefix="far-"))
    try:
        unix, _ = start_own(state, "-H", f"tcp://127.0.0.1:{port}")
        empty = tmp_path / "empty.tar"
        subprocess.run(["tar", "-cf", empty, "-T", os.devnull], check=True)
        run("docker", "-H", unix, "import", str(empty), "far/empty:1")
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{port}")
        monkeypatch.chdir(tmp_path)
        (tmp_path / "a.txt").write_text("a")
        result = build(ImageSpec(name="plain", base_image="far/empty:1", copy=["a.txt"]))
        assert run("docker", "-H", unix, "images", "-q", result.image).strip()
    finally:
        stop_engine(state)
        shutil.rmtree(state)


def test_a_bundle_that_all_programs_use_does_not_take_the_place_of_the_engines_ca(
    with_tls: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(Authority(tmp_path).certificate))
    with closing(Engine()) as engine:
        assert engine.api.ping()


def test_tls_without_a_folder_means_dockers_own(
    far: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", far.tcp)
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    (tmp_path / ".docker").symlink_to(far.client)
    with closing(Engine()) as engine:
        assert engine.api.ping()
        # envd looks at no folder that is not named.
        assert engine.environment()["DOCKER_CERT_PATH"] == str(tmp_path / ".docker")


def test_dockers_context_with_tls_leads_to_the_engine(
    far: Far, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    name = hashlib.sha256(b"far").hexdigest()
    meta, tls = (tmp_path / ".docker/contexts" / kind / name for kind in ("meta", "tls"))
    meta.mkdir(parents=True)
    endpoint = {"Host": far.tcp, "SkipTLSVerify": False}
    (meta / "meta.json").write_text(
        json.dumps({"Name": "far", "Metadata": {}, "Endpoints": {"docker": endpoint}})
    )
    shutil.copytree(far.client, tls / "docker")
    monkeypatch.setenv("DOCKER_CONTEXT", "far")
    with closing(Engine()) as engine:
        assert engine.api.ping()
        assert engine.environment() == {
            "DOCKER_HOST": far.tcp,
            "DOCKER_CERT_PATH": str(tls / "docker"),
            "DOCKER_TLS_VERIFY": "1",
        }


def problem(**environment: object) -> str:
    """Give what is told of an engine that cannot be used."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, str(value))
        with closing(Engine()) as engine, pytest.raises(EngineError) as raised:
            engine.api.ping()
    return str(raised.value)


def test_what_is_wrong_with_tls_is_told(far: Far, tmp_path: Path) -> None:
    tls = {"DOCKER_HOST": far.tcp, "DOCKER_TLS_VERIFY": 1}
    assert "wants TLS: set DOCKER_TLS_VERIFY=1" in problem(DOCKER_HOST=far.tcp)
    missing = problem(**tls, DOCKER_CERT_PATH=tmp_path)
    assert f"A file is missing: {tmp_path} is to have ca.pem, cert.pem and key.pem" in missing
    stranger = Authority(tmp_path / "authority").issue(tmp_path / "stranger")
    unknown = problem(**tls, DOCKER_CERT_PATH=stranger)
    assert "is none of the CA that is known here" in unknown
    shutil.copy(far.client / "ca.pem", stranger)
    refused = problem(**tls, DOCKER_CERT_PATH=stranger)
    assert "does not accept this client's certificate" in refused
    old = far.authority.issue(tmp_path / "old", days="-1")
    assert "does not accept this client's certificate" in problem(**tls, DOCKER_CERT_PATH=old)
    elsewhere = {**tls, "DOCKER_HOST": far.tcp.replace("127.0.0.1", "0.0.0.0")}  # noqa: S104
    assert "is for another name" in problem(**elsewhere, DOCKER_CERT_PATH=far.client)


@contextmanager
def answering(kind: int, body: bytes) -> Iterator[str]:
    """Run a server that gives one answer to all, and give its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        yield f"tcp://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def test_what_is_no_engine_of_use_is_told(far: Far) -> None:
    with answering(200, b'{"ApiVersion": "1.38", "Version": "18.06"}') as address:
        assert "speaks API 1.38, and a build needs 1.40" in problem(DOCKER_HOST=address)
        tls = {"DOCKER_TLS_VERIFY": 1, "DOCKER_CERT_PATH": far.client}
        assert "speaks without TLS" in problem(DOCKER_HOST=address, **tls)
    for kind, body in ((404, b"no"), (200, b"<html>"), (200, b"{}")):
        with answering(kind, body) as address:
            assert "is no Docker engine: look at DOCKER_HOST" in problem(DOCKER_HOST=address)
    assert "Connection refused. Start the engine" in problem(DOCKER_HOST="tcp://127.0.0.1:1")
    assert "is to be as tcp://machine:2376" in problem(DOCKER_HOST="nonsense://x")


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ssh_server(tmp_path_factory.mktemp("ssh") / "server") as address:
        yield address


@pytest.fixture
def by_ssh(far: Far, machine: str, monkeypatch: pytest.MonkeyPatch) -> Far:
    monkeypatch.setenv("DOCKER_HOST", f"{machine}{far.unix.removeprefix('unix://')}")
    # They are of no use here, and would make envd speak TLS to a socket.
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(far.client))
    return far


def children(name: str) -> list[int]:
    """Give the processes of a program that this one has started."""
    own = str(os.getpid())
    found = subprocess.run(["pgrep", "-P", own, "-x", name], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def test_a_build_lands_in_the_engine_by_ssh(lab: Lab, by_ssh: Far) -> None:
    result = build(fresh(lab, "echo by ssh > /far.txt"))
    assert by_ssh.docker("run", "--rm", result.image, "cat", "/far.txt") == "by ssh\n"
    assert not children("ssh")


def test_a_build_by_ssh_that_fails_or_is_stopped_leaves_no_ssh(lab: Lab, by_ssh: Far) -> None:
    assert by_ssh
    with pytest.raises(BuildError, match="exit code 3"):
        build(fresh(lab, "exit 3"))
    assert not children("ssh")

    def interrupt(event: object) -> None:
        if "now at it" in repr(event):
            assert children("ssh")
            raise KeyboardInterrupt

    with pytest.raises(BuildInterrupted):
        build(fresh(lab, "echo now at it; sleep 600"), listener=interrupt)
    assert not children("ssh")


def test_a_process_that_is_killed_leaves_no_ssh(lab: Lab, by_ssh: Far) -> None:
    assert by_ssh
    script = f"""
import os, signal, subprocess
from flytekit import ImageSpec
from envd_magic import build
def die(event):
    if "now at it" in repr(event):
        print(subprocess.check_output(["pgrep", "-P", str(os.getpid()), "-x", "ssh"], text=True))
        os.kill(os.getpid(), signal.SIGKILL)
spec = ImageSpec(name="far", base_image={lab.base_image!r}, commands=["echo now at it; sleep 600"])
build(spec, force=True, listener=die)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    left = [int(line) for line in done.stdout.split() if line.isdecimal()]
    assert left
    deadline = time.monotonic() + 5
    while any(is_running(one) for one in left):
        assert time.monotonic() < deadline, f"{left} still run"


def test_a_process_that_is_killed_leaves_no_ssh_that_waits_for_a_silent_machine(
    machine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine
    script = "from envd_magic.engine.client import Engine; Engine().api"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("DOCKER_HOST", f"ssh://127.0.0.1:{silent.getsockname()[1]}")
        with subprocess.Popen([sys.executable, "-c", script]) as waits:
            connection, _ = silent.accept()
            waits.kill()
        with connection:
            # Ends with an error where ssh has not ended by then.
            connection.settimeout(5)
            while connection.recv(1000):
                pass


def is_running(process: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


def test_what_is_wrong_with_ssh_is_told(machine: str, tmp_path: Path) -> None:
    folder = Path(shutil.which("ssh") or "").parent.parent
    assert "Start the engine there" in problem(DOCKER_HOST=f"{machine}{tmp_path}/none.sock")
    refused = problem(DOCKER_HOST=f"ssh://127.0.0.1:{free_port()}")
    assert "Connection refused. Start the engine there" in refused
    config = folder / "ssh_config"
    right = config.read_text()
    try:
        config.write_text(right.replace("/own\n", "/other\n"))
        assert "ssh has to log in without asking" in problem(DOCKER_HOST=machine)
        config.write_text(right.replace("/known\n", "/none\n"))
        assert "ssh does not know that machine" in problem(DOCKER_HOST=machine)
    finally:
        config.write_text(right)


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ssh://Me@Machine", ["-l", "Me", "--", "Machine", "docker", "system"]),
        ("ssh://machine:2222", ["-p", "2222", "--", "machine", "docker"]),
        ("ssh://[::1]:22/run/d.sock", ["--", "::1", "docker", "--host", "unix:///run/d.sock"]),
    ],
)
def test_ssh_is_told_what_the_address_says(address: str, words: list[str]) -> None:
    command = ssh_command(address)
    assert " ".join(words) in " ".join(command)
    assert command[-2:] == ["system", "dial-stdio"]


@pytest.mark.parametrize(
    "address", ["ssh://-oProxyCommand=x", "ssh://me:secret@machine", "ssh://", "ssh://machine:x"]
)
def test_an_address_that_is_none_starts_no_ssh(address: str) -> None:
    with pytest.raises(EngineError, match="is no address of an engine") as raised:
        ssh_command(address)
    assert "secret" not in str(raised.value)

"""envd's contexts: listed, added, checked, chosen for one build; the user's own stay."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from flytekit import ImageSpec
from IPython.core.error import UsageError

from envd_magic import BuildError, ContextError, EngineError, build, verify
from envd_magic.doctor.examine import examine
from envd_magic.doctor.finding import FAIL, OK
from envd_magic.doctor.subject import Subject
from envd_magic.envd.contexts import Context, add_context, added_contexts, choose_context
from envd_magic.envd.home import open_home
from envd_magic.envd.program import find_envd
from envd_magic.headless.cli import main
from envd_magic.paths import data_folder
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.options import Options

from .fakes import fake_envd
from .far import Far, far_engine, free_port
from .lab.certificates import Authority
from .notebooks import run as command
from .notebooks import write
from .shells import shell

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's home with an envd of their own: one for all, since its first command makes a key."""
    found = tmp_path_factory.mktemp("user") / "home"
    found.mkdir()
    create(found, "mine", "moby-worker", "--use")
    create(found, "far", "tcp", "--builder-address", "h:1")
    return found


def create(home: Path, name: str, builder: str, *more: str) -> None:
    """Make a context of the user's own envd."""
    envd = Path(sys.executable).parent / "envd"
    command = [str(envd), "context", "create", "--name", name, "--builder", builder, *more]
    env = {**os.environ, "ENVD_ANALYTICS": "false", "HOME": str(home)}
    subprocess.run(command, check=True, capture_output=True, env=env)


@pytest.fixture
def home(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, envd_home: Path
) -> Iterator[Path]:
    """A user's home with an envd of their own; what is added is gone after the test."""
    found = tmp_path / "home"
    shutil.copytree(template, found)
    monkeypatch.setenv("HOME", str(found))
    monkeypatch.delenv("FLYTE_ENVD_CONTEXT", raising=False)
    kept = envd_home / "data/contexts.json"
    kept.unlink(missing_ok=True)
    yield found
    kept.unlink(missing_ok=True)


def run(*words: str, good: bool = True) -> str:
    """Run ``envd-magic context`` and give what it prints, without breaks of lines."""
    done = CliRunner().invoke(main, ["context", *words])
    assert (done.exit_code == 0) is good, done.output
    return done.output


def state(folder: Path) -> dict[str, bytes]:
    """Give all files but those of IPython itself."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".ipython" not in path.parts
    }


def test_contexts_are_listed_with_the_one_that_a_build_takes(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    lines = [line.split() for line in run().splitlines()]
    assert ["far", "tcp", "h:1", "envd"] in lines
    assert next(line for line in lines if line[0] == "mine")[:2] == ["mine", "moby-worker"]
    assert "A build takes mine: it is your envd's current one" in run("list")
    monkeypatch.setenv("FLYTE_ENVD_CONTEXT", "far")
    assert "A build takes far: FLYTE_ENVD_CONTEXT says so" in run()
    monkeypatch.setenv("FLYTE_ENVD_CONTEXT", "gone")
    assert "A build takes gone, which is not there" in run()


def test_what_is_added_leaves_the_users_envd_as_it_is(home: Path) -> None:
    before = state(home)
    run("add", "cluster", "--builder", "kube-pod", "--address", "buildkitd-0?namespace=builders")
    assert "cluster" in run()
    found = open_home(find_envd(), "cluster")
    assert (found.context, found.builder) == ("cluster", "kube-pod")
    assert (Path(os.environ["ENVD_MAGIC_HOME"]) / "data/contexts.json").stat().st_mode & 0o77 == 0
    assert found.address == "kube-pod://buildkitd-0?namespace=builders"
    # For that build alone.
    assert open_home(find_envd()).context == "mine"
    assert state(home) == before
    run("remove", "cluster")
    assert "cluster" not in run()
    assert state(home) == before


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("add", "x"), "--builder is needed"),
        (("add", "x", "--builder", "tpc"), "did you mean 'tcp'"),
        (("add", "x", "--builder", "tcp"), "needs an address: --address is to be machine:port"),
        (("add", "x", "--builder", "tcp", "--address", "machine"), "has no port"),
        (("add", "x y", "--builder", "moby-worker"), "is no name"),
        (
            ("add", "x", "--builder", "moby-worker", "--address", "h:1"),
            "is no address of an engine",
        ),
        (("add", "far", "--builder", "moby-worker"), "There is a context far already"),
        (("add", "x", "--builder", "tcp", "--address", "h:1", "--certificates", "/none"), "ca.pem"),
        (("add", "x", "--builder", "moby-worker", "--address", "ssh://me:pw@h"), "no password"),
        (("add", "x", "--builder", "moby-worker", "--address", "tcp://me:pw@h:1"), "is no address"),
        (("add", "<b>x</b>", "--builder", "moby-worker"), "is no name"),
        (("add", "x\n", "--builder", "moby-worker"), "is no name"),
        (("add", "--builder", "moby-worker"), "NAME is missing"),
        (("list", "--address", "h:1"), "--address is for add"),
        (("remove", "far"), "envd context rm --name far"),
        (("remove", "none"), "There is no context 'none' to remove: none was added here"),
        (("check", "fra"), "Did you mean 'far'"),
    ],
)
def test_what_cannot_be_done_is_told(home: Path, words: tuple[str, ...], message: str) -> None:
    before = state(home)
    assert message in run(*words, good=False)
    assert added_contexts() == {}
    assert state(home) == before


def test_an_option_counts_before_the_variable_and_that_before_the_sandbox(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("FLYTE_ENVD_CONTEXT", raising=False)
    assert choose_context(None, "localhost:30000").name == "flyte-sandbox"
    monkeypatch.setenv("FLYTE_ENVD_CONTEXT", "v")
    assert choose_context(None, "localhost:30000").name == "v"
    assert choose_context("o", "localhost:30000").name == "o"


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    with far_engine() as running:
        yield running


@pytest.fixture
def there(home: Path, far: Far) -> str:
    """A context that names the second engine."""
    assert home
    address = ("--builder", "moby-worker", "--address", far.tcp)
    run("add", "there", *address, "--certificates", str(far.client))
    return "there"


def fresh(lab: Lab, name: str) -> ImageSpec:
    env = {"U": uuid.uuid4().hex}
    return ImageSpec(name=name, base_image=lab.base_image, env=env, commands=["echo x > /x"])


def test_a_build_with_a_context_lands_in_its_engine_and_the_next_one_at_home(
    lab: Lab, home: Path, far: Far, there: str
) -> None:
    assert "Docker 20" in run("check", there)
    before = state(home)
    assert ".config/envd/contexts" in before
    ip = shell()
    ip.user_ns["spec"] = spec = fresh(lab, "ctx")
    ip.do(f"%envd build spec --context {there}")
    image = spec.image_name()
    assert far.has(image)
    assert not lab.docker("images", "-q", image).strip()
    # What looks at images looks there, if that is asked for.
    assert "is there" in ip.do(f"%envd plan spec --context {there}")
    assert ip.do(f"%envd run --context {there} spec cat /x") == "x\n"
    assert image in ip.do(f"%envd images ctx --context {there}")
    assert image not in ip.do("%envd images ctx")
    assert "base_image" in ip.do(f"%envd pin spec --context {there}")
    ip.do(f"%envd verify spec --context {there}")
    engines = examine([Subject(spec, there), Subject(spec)], ["engine"])
    assert [f"{far.tcp} (the context there)" in one.text for one in engines] == [True, False]
    # For that build alone.
    with pytest.raises(UsageError, match="is not in the engine"):
        ip.do("%envd run spec true")
    ip.do("%envd build spec")
    assert lab.inspect(image)["Id"]
    assert state(home) == before


def test_two_builds_at_once_with_two_contexts_do_not_mix(
    lab: Lab, home: Path, far: Far, there: str
) -> None:
    before = state(home)
    pairs = [(fresh(lab, f"ctx-{number}"), ("mine", there)[number % 2]) for number in range(4)]
    with ThreadPoolExecutor(len(pairs)) as pool:
        images = list(pool.map(lambda pair: build(pair[0], context=pair[1]).image, pairs))
    assert [far.has(image) for image in images] == [False, True, False, True]
    here = [bool(lab.docker("images", "-q", image).strip()) for image in images]
    assert here == [True, False, True, False]
    assert state(home) == before


def test_the_command_line_builds_and_verifies_in_a_context(
    lab: Lab, far: Far, there: str, tmp_path: Path
) -> None:
    cell = (
        f"ImageSpec(name='ctx', base_image={lab.base_image!r}, env={{'U': {uuid.uuid4().hex!r}}})"
    )
    path = write(tmp_path / "a.ipynb", f"%%envd_build --context {there} x\n{cell}")
    done = command("build", "--json", str(path))
    assert done.exit_code == 0, done.output
    told = [json.loads(line) for line in done.stdout.splitlines()]
    image = next(one for one in told if one.get("event") == "finished")["result"]["image"]
    assert far.has(image)
    # The cell says where.
    for words in (("verify",), ("plan",), ("verify", "--context", there)):
        assert command(*words, str(path)).exit_code == 0, words
    assert command("verify", "--context", "mine", str(path)).exit_code == 1


def test_builders_are_checked(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        run("add", "open", "--builder", "tcp", "--address", f"tcp://127.0.0.1:{port}")
        assert f"tcp://127.0.0.1:{port} answers" in run("check", "open")
    told = run("check", "open", good=False)
    assert f"no builder answers at tcp://127.0.0.1:{port}, which the context open names" in told
    run("add", "sock", "--builder", "unix", "--address", str(tmp_path / "none.sock"))
    assert "No such file" in run("check", "sock", good=False)
    run("add", "pod", "--builder", "kube-pod", "--address", "bk-0?namespace=n&context=c")
    place = tmp_path / "bin"
    place.mkdir()
    kubectl = place / "kubectl"
    kubectl.write_text('#!/bin/sh\necho "$@" >> "$0.calls"\nprintf "$PHASE"\n')
    kubectl.chmod(0o755)
    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PHASE", "Running")
    assert "the pod bk-0 is running" in run("check", "pod")
    assert "--context=c --namespace=n get pod bk-0" in (place / "kubectl.calls").read_text()
    monkeypatch.setenv("PHASE", "Pending")
    assert "is Pending, not Running" in run("check", "pod", good=False)
    run("add", "boat", "--builder", "nerdctl-container")
    assert "no program nerdctl" in run("check", "boat", good=False)


@contextmanager
def buildkit(far: Far, authority: Authority, folder: Path) -> Iterator[str]:
    """Show dockerd's own BuildKit as a buildkitd over TCP that wants a client's certificate."""
    server = authority.issue(folder / "server", "IP:127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server / "ca.pem"))
    context.load_cert_chain(server / "cert.pem", server / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    context.set_alpn_protocols(["h2"])
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=one, args=(plain,), daemon=True).start()

    def one(plain: socket.socket) -> None:
        # A stranger's handshake fails.
        with suppress(OSError), context.wrap_socket(plain, server_side=True) as client:
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(far.unix.removeprefix("unix://"))
            upgrade = (
                "POST /v1.41/grpc HTTP/1.1\r\nHost: d\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
            )
            engine.sendall(f"{upgrade}\r\n".encode())
            answer = b""
            while not answer.endswith(b"\r\n\r\n"):
                answer += engine.recv(1)
            pump(client, engine)

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def pump(client: ssl.SSLSocket, engine: socket.socket) -> None:
    """Carry bytes both ways; one thread, since a TLS socket is not for two."""
    import select

    client.settimeout(0.0)
    while True:
        ready, _, _ = select.select([client, engine], [], [])
        if engine in ready:
            if not (piece := engine.recv(1 << 16)):
                return
            client.settimeout(None)
            client.sendall(piece)
            client.settimeout(0.0)
        with suppress(ssl.SSLWantReadError):
            while client in ready or client.pending():
                if not (piece := client.recv(1 << 16)):
                    return
                engine.sendall(piece)


def bridges() -> set[str]:
    """Give the threads and the folders of private sockets that are there."""
    threads = {one.name for one in threading.enumerate() if "bridge" in one.name}
    return threads | {str(one) for one in Path(tempfile.gettempdir()).glob("envd_magic-*/s")}


def test_envd_reaches_a_buildkit_that_wants_tls(
    lab: Lab, home: Path, far: Far, tmp_path: Path
) -> None:
    """BuildKit itself answers envd: dockerd's has no exporter that pushes, as buildkitd has."""
    containers = home / ".config/containers"
    containers.mkdir(parents=True)
    plain = f'[[registry]]\nlocation = "{lab.registry}"\ninsecure = true\n'
    (containers / "registries.conf").write_text(plain)
    authority = Authority(tmp_path / "authority")
    client = authority.issue(tmp_path / "client")
    far.docker("pull", "-q", lab.base_image)
    before = bridges()
    with buildkit(far, authority, tmp_path) as address:
        words = ("--builder", "tcp", "--address", address, "--certificates")
        run("add", "tls", *words, str(client))
        assert "answers, TLSv1" in run("check", "tls")
        spec = ImageSpec(name="ctx", registry=lab.registry, base_image=lab.base_image)
        spec.commands = ["true"]
        with pytest.raises(BuildError, match=r"exporter \"image\" could not be found"):
            build(spec, context="tls")
        # A stranger's certificate is not taken.
        stranger = Authority(tmp_path / "other").issue(tmp_path / "stranger")
        (stranger / "ca.pem").write_bytes((client / "ca.pem").read_bytes())
        run("add", "stranger", *words, str(stranger))
        assert "no builder answers" in run("check", "stranger", good=False)
        with pytest.raises(ContextError, match="which the context stranger names: "):
            build(spec, context="stranger")
    with pytest.raises(ContextError, match="which the context tls names: Connection refused"):
        build(spec, context="tls")
    assert bridges() == before


@pytest.mark.parametrize(
    ("builder", "address"),
    [("kube-pod", "bk-0?namespace=n"), ("tcp", "h:1234"), ("unix", "/run/bk.sock")],
)
def test_builders_elsewhere_get_their_command_line(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, builder: str, address: str
) -> None:
    """What no real builder could be had for: the context and the words that envd is given."""
    assert home
    run("add", "there", "--builder", builder, "--address", address)
    program = """
home = pathlib.Path(os.environ["HOME"])
shown = subprocess.run([{envd}, "context", "ls"], capture_output=True, text=True).stdout
print("#1 the context is " + next(one for one in shown.splitlines() if "(current)" in one))
""".replace("{envd}", repr(str(find_envd().path)))
    calls = fake_envd(tmp_path, monkeypatch, program)
    seen: list[object] = []
    spec = ImageSpec(name="ctx", registry="r.example/team", base_image="debian:12")
    build(spec, context="there", listener=seen.append)
    assert any(f"{builder}://{address}" in repr(event) for event in seen)
    assert "type=image,name=r.example/team/ctx:" in calls.read_text()


def test_one_name_in_both_places_is_refused(home: Path) -> None:
    run("add", "late", "--builder", "unix", "--address", "/run/bk.sock")
    create(home, "late", "moby-worker")
    with pytest.raises(ContextError, match="envd-magic context remove late"):
        open_home(find_envd(), "late")


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "{}x", "5", '"abc"', '[{"name": "x"}]', '[["x"]]', "\udcff", "[" * 9999],
)
def test_a_file_of_contexts_that_cannot_be_read_is_told(home: Path, text: str) -> None:
    assert home
    path = Path(os.environ["ENVD_MAGIC_HOME"]) / "data/contexts.json"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert f"{path}, which has the contexts that were added, cannot be read" in run(good=False)
    with pytest.raises(ContextError, match="Mend it, or remove it and add them anew"):
        open_home(find_envd(), "there")
    # Who takes their own current context needs none of it.
    assert open_home(find_envd()).context == "mine"


def test_a_build_in_contexts_that_cannot_be_read_begins_no_log(home: Path, tmp_path: Path) -> None:
    assert home
    (data_folder() / "contexts.json").write_text("nonsense")
    logs = tmp_path / "logs"
    logs.mkdir()
    with pytest.raises(ContextError, match="cannot be read"):
        build_spec(ImageSpec(name="a"), Options(context="there", log_folder=logs))
    assert not list(logs.iterdir())


def test_contexts_that_are_added_at_once_are_all_kept(home: Path) -> None:
    assert home
    names = [f"c{number}" for number in range(16)]
    begin = threading.Barrier(len(names))

    def add(name: str) -> None:
        begin.wait()
        add_context(Context(name, "moby-worker"), ())

    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(add, names))
    assert sorted(added_contexts()) == sorted(names)


def test_names_of_the_users_are_shown_and_not_obeyed(home: Path) -> None:
    create(home, "<b>x</b>\x1b[31m", "moby-worker")
    told = run()
    assert "<b>x</b>" in told
    assert "\x1b" not in told


def test_an_engine_that_does_not_answer_is_told_with_the_name_of_its_context(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    # An engine that is named is looked at for any builder.
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    place = f"tcp://127.0.0.1:{free_port()}"
    run("add", "gone", "--builder", "moby-worker", "--address", place)
    told = run("check", "gone", good=False)
    assert f"No Docker engine answers at {place} (the context gone): Connection refused" in told
    assert "let the context gone name one that runs" in told
    spec = ImageSpec(name="ctx", base_image="debian:12")
    with pytest.raises(EngineError, match=r"\(the context gone\): Connection refused") as raised:
        build(spec, context="gone")
    assert (why := raised.value.diagnosis) is not None
    assert (why.kind, why.fixes[-1].command) == ("engine-down", "envd-magic context")
    with pytest.raises(EngineError, match=r"\(the context gone\)"):
        verify(spec, context="gone")
    found = examine([Subject(spec, "gone"), Subject(spec, "far")], ["engine"])
    assert [one.outcome for one in found] == [FAIL, OK]
    assert found[1].text.startswith("not needed: the builder tcp")


def test_a_name_that_is_mistyped_leads_to_no_other_engine(home: Path) -> None:
    assert home
    spec = ImageSpec(name="ctx", base_image="debian:12")
    with pytest.raises(ContextError, match="Did you mean 'mine'"):
        verify(spec, context="mien")
    ip = shell()
    ip.user_ns["spec"] = spec
    for line in ("run --context mien spec ls", "images --context mien", "pin --context mien spec"):
        with pytest.raises(ContextError, match="Did you mean 'mine'"):
            ip.run_line_magic("envd", line)


def test_the_magic_lists_adds_checks_and_removes(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert home
    ip = shell()

    def told(line: str) -> str:
        ip.run_line_magic("envd", line)
        return capsys.readouterr().out

    assert "Added sock (unix" in told("context add sock --builder unix --address /none.sock")
    assert "sock" in told("context")
    with pytest.raises(ContextError, match="The context sock cannot be used"):
        ip.run_line_magic("envd", "context check sock")
    assert "no builder answers at unix:///none.sock" in capsys.readouterr().out
    ip.run_line_magic("config", "EnvdMagic.context = 'sock'")
    try:
        assert "A build takes sock: the setting context says so" in told("context")
    finally:
        ip.run_line_magic("config", "EnvdMagic.context = None")
    assert told("context remove sock") == "Removed sock\n"


def test_a_builder_that_does_not_answer_is_told_with_the_name_of_its_context(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    monkeypatch.setenv("BUILDKIT_CONNECTING_TIMEOUT", "200ms")
    run("add", "away", "--builder", "tcp", "--address", f"127.0.0.1:{free_port()}")
    spec = ImageSpec(name="ctx", registry="r.example/team", base_image="debian:12")
    with pytest.raises(BuildError, match="The context away names that builder") as raised:
        build(spec, context="away")
    assert (why := raised.value.diagnosis) is not None
    assert why.kind == "builder-unreachable"

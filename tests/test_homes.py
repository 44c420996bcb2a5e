"""The user's own envd, docker and shell: used as they are, and left as they are."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest
import requests
from flytekit import ImageSpec

from envd_magic import BuildError, BuildInterrupted, ContextError, EnvdMagicError, build
from envd_magic.engine.client import Engine
from envd_magic.engine.configs import ConfigServer
from envd_magic.envd.home import Home, open_home
from envd_magic.envd.program import find_envd
from envd_magic.paths import cache_folder

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab

_PROFILES = (".bashrc", ".profile", ".zshrc", ".bash_completion")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home with an envd context of their own, docker's settings and shell profiles."""
    found = tmp_path / "home"
    (found / ".docker").mkdir(parents=True)
    (found / ".docker/config.json").write_text('{"auths": {"example.org": {"auth": "YTpi"}}}')
    for name in _PROFILES:
        (found / name).write_text("# mine\n")
    monkeypatch.setenv("HOME", str(found))
    envd("context", "create", "--name", "mine", "--builder", "moby-worker", "--use")
    envd("context", "create", "--name", "far", "--builder", "tcp", "--builder-address", "h:1")
    return found


def envd(*words: str) -> str:
    """Output of the user's own envd."""
    return subprocess.run(
        ["envd", *words],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "ENVD_ANALYTICS": "false"},
    ).stdout


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Everything in a folder: modes and contents."""
    return {
        str(path.relative_to(folder)): (
            path.lstat().st_mode,
            path.read_bytes() if path.is_file() else b"",
        )
        for path in folder.rglob("*")
    }


def fresh(*commands: str) -> ImageSpec:
    return ImageSpec(name="homes", env={"UNIQUE": uuid.uuid4().hex}, commands=[*commands])


def test_home_is_as_before_after_builds_failures_and_interrupts(lab: Lab, home: Path) -> None:
    assert lab
    listed = envd("context", "ls")
    before = state(home)
    config = home.parent / "registries.json"
    config.write_text('{"registries": [{"name": "localhost", "use_http": true}]}')
    spec = fresh("true")
    spec.registry_config = str(config)
    build(spec)
    with pytest.raises(BuildError):
        build(fresh("false"))

    def interrupt(event: object) -> None:
        if "now at it" in repr(event):
            raise KeyboardInterrupt

    with pytest.raises(BuildInterrupted):
        build(fresh("echo now at it; sleep 600"), listener=interrupt)
    with pytest.raises(ContextError, match="There is: default, far, mine"):
        build(fresh("true"), context="none")
    assert state(home) == before
    assert envd("context", "ls") == listed


def test_home_is_as_before_after_a_process_was_killed(lab: Lab, home: Path) -> None:
    assert lab
    script = f"""
import os, signal
os.environ["HOME"] = {str(home)!r}
from flytekit import ImageSpec
from envd_magic import build
def die(event):
    if "now at it" in repr(event):
        os.kill(os.getpid(), signal.SIGKILL)
build(ImageSpec(name="homes", commands=["echo now at it; sleep 600"]), force=True, listener=die)
"""
    before = state(home)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -9, done.stderr
    # What flytekit itself keeps is flytekit's.
    after = {name: found for name, found in state(home).items() if ".flyte" not in name}
    assert after == before


def test_processes_that_start_at_once_share_one_home(
    lab: Lab, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    assert home
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "new"))
    script = """
import sys
from flytekit import ImageSpec
from envd_magic import build
print(build(ImageSpec(name="at-once", env={"N": sys.argv[1]}), force=True).image)
"""
    running = [
        subprocess.Popen([sys.executable, "-c", script, number], stdout=subprocess.PIPE, text=True)
        for number in "123"
    ]
    images = {process.communicate()[0].strip() for process in running}
    assert [process.returncode for process in running] == [0, 0, 0]
    assert len(images) == 3
    homes = [path for path in (tmp_path / "new/cache/envd").iterdir() if path.is_dir()]
    assert len(homes) == 1


def test_users_current_context_is_taken(home: Path) -> None:
    assert home
    assert open_home(find_envd()).context == "mine"
    envd("context", "use", "--name", "far")
    found = open_home(find_envd())
    assert (found.context, found.builder, found.has_engine) == ("far", "tcp", False)


def test_variable_names_a_context(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert home
    monkeypatch.setenv("FLYTE_ENVD_CONTEXT", "far")
    assert open_home(find_envd(), registry="localhost:30000").context == "far"
    assert open_home(find_envd(), "mine").context == "mine"


def test_sandbox_registry_means_the_sandbox_builder(home: Path) -> None:
    before = state(home)
    found = open_home(find_envd(), registry="localhost:30000")
    assert (found.context, found.builder) == ("flyte-sandbox", "tcp")
    assert found.address.removeprefix("tcp://") == "localhost:30003"
    assert open_home(find_envd(), registry="localhost:30001").context == "mine"
    assert state(home) == before


def test_context_that_the_user_makes_later_is_found(home: Path) -> None:
    assert home
    with pytest.raises(ContextError):
        open_home(find_envd(), "late")
    envd("context", "create", "--name", "late", "--builder", "moby-worker")
    assert open_home(find_envd(), "late").context == "late"


def test_home_that_a_killed_process_began_is_taken_away(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert home
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "new"))
    begun = tmp_path / "new/cache/envd/new-x/.config"
    begun.mkdir(parents=True)
    made = open_home(find_envd()).path
    assert [path for path in made.parent.iterdir() if path.is_dir()] == [made]


def test_processes_after_each_other_do_not_fill_a_home(home: Path) -> None:
    assert home
    script = """
from envd_magic.engine.configs import SERVER
from envd_magic.envd.home import Home, open_home
from envd_magic.envd.program import find_envd
open_home(find_envd()).trust(SERVER.address)
"""
    folder = open_home(find_envd()).path / ".config/containers/registries.conf.d"
    counts = []
    for _ in range(2):
        for _ in range(3):
            subprocess.run([sys.executable, "-c", script], check=True)
        counts.append(len(list(folder.iterdir())))
    # Not one more for each; another process may build at the same time.
    assert counts[0] <= counts[1] < counts[0] + 3


def docker_context(home: Path, name: str, host: str) -> None:
    """Make a context of docker's command line, and the current one."""
    folder = home / ".docker/contexts/meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    endpoint = {"Host": host, "SkipTLSVerify": False}
    meta = {"Name": name, "Metadata": {}, "Endpoints": {"docker": endpoint}}
    (folder / "meta.json").write_text(json.dumps(meta))
    (home / ".docker/config.json").write_text(json.dumps({"currentContext": name}))


def test_dockers_current_context_leads_to_the_engine(
    lab: Lab, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DOCKER_HOST")
    docker_context(home, "lab", lab.docker_host)
    before = state(home)
    result = build(fresh("true"))
    assert lab.inspect(result.image)["Id"] == result.digest
    assert state(home) == before


def test_dockers_variables_count_before_its_current_context(
    lab: Lab, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_context(home, "gone", f"unix://{home}/gone.sock")
    engine = Engine()
    assert engine.api.ping()
    engine.close()
    monkeypatch.delenv("DOCKER_HOST")
    docker_context(home, "lab", lab.docker_host)
    monkeypatch.setenv("DOCKER_CONTEXT", "gone")
    assert Engine().environment()["DOCKER_HOST"] == f"unix://{home}/gone.sock"


@pytest.mark.parametrize(("home", "place"), [("a/b", None), ("~/a", "a/cache")])
def test_home_of_ours_is_one_place_wherever_a_build_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str, place: str | None
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ENVD_MAGIC_HOME", home)
    if place is None:
        with pytest.raises(EnvdMagicError, match="ENVD_MAGIC_HOME: 'a/b' is no absolute path"):
            cache_folder()
    else:
        assert cache_folder() == tmp_path / place


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_settings_of_base_images_are_told_in_a_process_that_was_forked() -> None:
    server = ConfigServer()
    server.publish({}, "linux/amd64")
    child = os.fork()
    if child == 0:
        place, _, name = server.publish({}, "linux/amd64", "x").partition("/")
        url = f"http://{place}/v2/{name.removesuffix(':base')}/manifests/base"
        try:
            os._exit(0 if requests.get(url, timeout=20).ok else 1)
        finally:
            os._exit(2)
    assert os.waitpid(child, 0)[1] == 0


def test_a_user_who_says_how_envd_collects_garbage_is_obeyed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path, "default", "moby-worker")
    monkeypatch.delenv("GOGC", raising=False)
    assert home.environment()["GOGC"] == "400"
    monkeypatch.setenv("GOGC", "50")
    assert home.environment()["GOGC"] == "50"

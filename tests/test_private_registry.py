"""Registries with TLS and a login: where a base image is, where an image goes, what fails."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import threading
import uuid
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest
import requests
from flytekit import ImageSpec

from envd_magic import BaseImageError, EngineError, PushError, build, last_result
from envd_magic.engine.client import Engine
from envd_magic.engine.images import registry_digest
from envd_magic.engine.registry import push_index, tags_of
from envd_magic.envd.home import open_home
from envd_magic.envd.program import find_envd

from .fakes import fake_envd
from .lab.process import run
from .platforms import BOTH, two_platform_base
from .private import PASSWORD, USER, Private, private_registry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lab import Lab


@pytest.fixture(scope="module")
def private(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Private]:
    with private_registry(lab, tmp_path_factory.mktemp("private")) as running:
        yield running


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's configuration, without any login."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker/config.json"


@pytest.fixture
def logged_in(private: Private, config: Path) -> Path:
    config.write_text(private.config())
    return config


@pytest.fixture
def base(lab: Lab, private: Private, logged_in: Path, tmp_path: Path) -> Iterator[str]:
    """A base image, without programs, that is in the registry alone."""
    assert logged_in
    name = f"{private.address}/team/base:{uuid.uuid4().hex[:8]}"
    (tmp_path / "rootfs/root").mkdir(parents=True)
    archive = tmp_path / "rootfs.tar"
    run("tar", "-C", str(tmp_path / "rootfs"), "-cf", str(archive), ".")
    lab.docker("import", str(archive), name)
    lab.docker("push", "-q", name)
    lab.docker("rmi", name)
    yield name
    lab.docker("image", "rm", "-f", name)


def fresh(private: Private, base: str, **fields: object) -> ImageSpec:
    env = {"UNIQUE": uuid.uuid4().hex}
    registry = f"{private.address}/team"
    return ImageSpec(name="private", registry=registry, base_image=base, env=env, **fields)


def test_base_image_and_image_may_both_be_behind_a_login(
    private: Private, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    events: list[object] = []
    result = build(fresh(private, base, copy=["a.txt"]), listener=events.append)
    assert private.manifest(result.image)[0] == result.digest
    assert result.log_file is not None
    told = f"{events}{result}{result.log_file.read_text()}"
    assert "Pulling" in told
    assert PASSWORD not in told


def helper(folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    """Put a credential helper on PATH; docker's protocol for them is its standard input."""
    script = folder / "docker-credential-test"
    script.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.read()\n{answer}\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_several_platforms_are_one_index_behind_a_login_of_a_helper(
    lab: Lab, private: Private, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(config.parent)
    (config.parent / "a.txt").write_text("a")
    (tmp_path / "two").mkdir()
    two = two_platform_base(lab, tmp_path / "two")
    config.write_text(json.dumps({"credHelpers": {private.address: "test"}}))
    login = json.dumps({"Username": USER, "Secret": PASSWORD, "ServerURL": private.address})
    helper(config.parent, monkeypatch, f"print({login!r})")
    tag = uuid.uuid4().hex[:8]

    def made(platforms: str, text: str) -> str:
        (config.parent / "a.txt").write_text(text)
        spec = fresh(private, two, platform=platforms, copy=["a.txt"], tag_format=tag)
        result = build(spec, force=True)
        assert private.manifest(result.image)[0] == result.digest
        return result.image

    def digests(image: str) -> dict[str, str]:
        listed = private.manifest(image)[1]["manifests"]
        return {f"linux/{one['platform']['architecture']}": one["digest"] for one in listed}

    image = made(",".join(BOTH), "first")
    first = digests(image)
    for platform, digest in first.items():
        assert private.manifest(f"{image}-{platform.replace('/', '-')}")[0] == digest
    # One of them alone leaves the other.
    assert made("linux/arm64", "second") == image
    second = digests(image)
    assert second["linux/amd64"] == first["linux/amd64"]
    assert second["linux/arm64"] != first["linux/arm64"]
    config.write_text(private.config())
    for platform in BOTH:
        name = image.rpartition(":")[0]
        lab.docker("pull", "-q", "--platform", platform, image)
        found = lab.inspect(f"{name}@{second[platform]}")
        assert f"{found['Os']}/{found['Architecture']}" == platform


def test_a_login_that_is_missing_or_wrong_is_told(
    lab: Lab, private: Private, base: str, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = fresh(private, lab.base_image)
    there = ImageSpec(name="private", base_image=base)
    several = {"linux/amd64": f"{base}"}
    missing = f"docker has no login for {private.address}. Log in with: docker login"
    wrong = f"{private.address} does not accept the login that docker has. Log in anew with"
    for content, advice in (("{}", missing), (private.config("wrong-sesame"), wrong)):
        config.write_text(content)
        with pytest.raises(BaseImageError, match=advice):
            build(there)
        # Before anything is built.
        with pytest.raises(EngineError, match=advice):
            build(here)
        assert not steps()
        with pytest.raises(PushError, match=advice):
            build(here, force=True)
        with pytest.raises(PushError, match=advice) as raised:
            push_index(f"{base}-index", several)
        assert "sesame" not in str(raised.value)
    config.write_text(json.dumps({"credsStore": "none-such"}))
    with pytest.raises(EngineError, match="docker-credential-none-such not installed"):
        build(here)
    with pytest.raises(PushError, match="docker-credential-none-such not installed"):
        push_index(f"{base}-index", several)
    config.write_text(json.dumps({"credHelpers": {private.address: "test"}}))
    helper(config.parent, monkeypatch, "print('locked'); sys.exit(1)")
    with pytest.raises(PushError, match=f"docker's login for {private.address} cannot be read"):
        build(here, force=True)


def steps() -> tuple[object, ...]:
    """Give the steps that ran in the last build."""
    result = last_result()
    assert result is not None
    return result.steps


def test_a_certificate_that_nobody_knows_is_told(lab: Lab, private: Private, base: str) -> None:
    private.distrust()
    advice = f"/etc/docker/certs.d/{private.address}/ca.crt"
    try:
        with pytest.raises(BaseImageError, match=advice):
            build(ImageSpec(name="private", base_image=base))
        with pytest.raises(EngineError, match=advice):
            build(fresh(private, lab.base_image))
        assert not steps()
        with pytest.raises(PushError, match=advice):
            build(fresh(private, lab.base_image), force=True)
        with pytest.raises(PushError, match=advice):
            push_index(f"{base}-index", {"linux/amd64": base})
    finally:
        private.trust()


def test_envd_itself_reads_a_base_image_with_dockers_login(
    private: Private, base: str, tmp_path: Path
) -> None:
    """What a builder without an engine needs; such a one cannot be run here, envd's part can."""
    (tmp_path / "build.envd").write_text(
        f"# syntax=v1\ndef build():\n    base(image={base!r}, dev=False)\n"
    )
    program = find_envd()
    home = open_home(program)
    done = subprocess.run(
        [str(program.path), "debug", "llb", "--path", str(tmp_path)],
        env=home.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f"docker-image://{base}" in done.stdout


class _TokenRegistry(BaseHTTPRequestHandler):
    """A registry that sends who asks to a server of tokens: itself, at another path."""

    def do_GET(self) -> None:
        if self.path.startswith("/token?"):
            good = self.headers.get("Authorization") == LOGIN
            self._answer(200 if good else 401, {"token": "by-password"} if good else {})
        elif self.headers.get("Authorization") in ("Bearer by-password", "Bearer by-token"):
            self._answer(200, {"tags": ["1"]})
        else:
            realm = f"http://{self.headers['Host']}/token"
            challenge = f'Bearer realm="{realm}",service="test",scope="repository:a/b:pull"'
            self._answer(401, {}, challenge)

    def do_POST(self) -> None:
        asked = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        good = asked.get("refresh_token") == ["identity"] and asked.get("service") == ["test"]
        self._answer(200 if good else 401, {"access_token": "by-token"} if good else {})

    def _answer(self, status: int, body: object, challenge: str = "") -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if challenge:
            self.send_header("WWW-Authenticate", challenge)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


LOGIN = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


class _Denying(_TokenRegistry):
    """A registry that denies a repository which nobody has pushed to yet, as many do."""

    def do_GET(self) -> None:
        if self.headers.get("Authorization") != LOGIN:
            self._answer(401, {}, 'Basic realm="test"')
        elif self.path == "/v2/":
            self._answer(200, {})
        else:
            self._answer(403, {"errors": [{"code": "DENIED", "message": "access is denied"}]})


def test_a_repository_that_the_first_push_makes_is_no_reason_to_build_nothing(
    lab: Lab, config: Path
) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Denying)
    threading.Thread(target=server.serve_forever).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    try:
        with closing(Engine()) as engine:
            config.write_text(json.dumps({"auths": {address: {"auth": LOGIN.split()[1]}}}))
            assert registry_digest(engine, f"{address}/team/new:1") is None
        for auths in ({}, {address: {"auth": base64.b64encode(b"me:wrong").decode()}}):
            config.write_text(json.dumps({"auths": auths}))
            with closing(Engine()) as engine, pytest.raises(EngineError, match="docker login"):
                registry_digest(engine, f"{address}/team/new:1")
    finally:
        server.shutdown()
        server.server_close()


class _Gone:
    """An engine that has ended."""

    @property
    def api(self) -> None:
        raise requests.ConnectionError("refused")


def test_an_engine_that_ends_before_the_index_is_pushed_is_told() -> None:
    with pytest.raises(PushError, match="the Docker engine does not answer"):
        push_index("localhost:5000/a:1", {}, engine=_Gone())  # type: ignore[arg-type]


@pytest.mark.parametrize("kept", ["password", "token", "wrong"])
def test_a_registry_may_send_to_a_server_of_tokens(config: Path, kept: str) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TokenRegistry)
    threading.Thread(target=server.serve_forever).start()
    address = f"127.0.0.1:{server.server_address[1]}"
    login = {
        "password": {"auth": LOGIN.removeprefix("Basic ")},
        "token": {"identitytoken": "identity"},
        "wrong": {"identitytoken": "another-identity"},
    }[kept]
    config.write_text(json.dumps({"auths": {address: login}}))
    try:
        if kept != "wrong":
            assert tags_of(f"{address}/a/b:1", 10) == ["1"]
            return
        with pytest.raises(EngineError, match="does not accept the login") as raised:
            tags_of(f"{address}/a/b:1", 10)
        assert "identity" not in str(raised.value)
    finally:
        server.shutdown()
        server.server_close()


def test_builders_without_an_engine_get_an_index_too(
    lab: Lab, private: Private, logged_in: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert logged_in
    (tmp_path / "two").mkdir()
    two = two_platform_base(lab, tmp_path / "two")
    registry = f"{private.address}/far"
    # What such a builder does: it pushes one image for each platform.
    program = f"""
output = dict(item.split("=", 1) for item in words[words.index("--output") + 1].split(","))
platform = words[words.index("--platform") + 1]
assert output["push"] == "true"
for command in (["pull", "-q", "--platform", platform, {two!r}], ["tag", {two!r}, output["name"]],
                ["push", "-q", output["name"]]):
    subprocess.run(["docker", "-H", {lab.docker_host!r}, *command], check=True)
"""
    fake_envd(tmp_path, monkeypatch, program)
    monkeypatch.setenv("FLYTE_ENVD_CONTEXT", "flyte-sandbox")
    spec = ImageSpec(name="far", registry=registry, base_image=two, platform=",".join(BOTH))
    result = build(spec)
    digest, index = private.manifest(result.image)
    assert digest == result.digest
    listed = [one["platform"]["architecture"] for one in index["manifests"]]
    assert listed == ["amd64", "arm64"]
    assert len({one["digest"] for one in index["manifests"]}) == 2

"""What is installed, shared through a registry, and layer caches of builders that have one."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import requests
from flytekit import ImageSpec

from envd_magic import ContextError, EnvdMagicError, build
from envd_magic.engine import images
from envd_magic.engine.client import Engine

from .fakes import fake_envd
from .far import Far, far_engine, free_port
from .indexes import served, wheel
from .lab.process import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from envd_magic.pipeline.result import BuildResult

    from .lab import Lab


@pytest.fixture(scope="module")
def far() -> Iterator[Far]:
    with far_engine() as running:
        yield running


@pytest.fixture
def cache(lab: Lab) -> Iterator[str]:
    """A repository of its own."""
    name = f"{lab.registry}/team/cache-{uuid.uuid4().hex[:8]}"
    yield name
    for tag in tags(name):
        lab.docker("image", "rm", "-f", f"{name}:{tag}")


def tags(repository: str) -> list[str]:
    """Give what a repository holds."""
    registry, _, name = repository.partition("/")
    found = requests.get(f"http://{registry}/v2/{name}/tags/list", timeout=10)
    return [] if found.status_code == 404 else found.json()["tags"] or []


@pytest.fixture(scope="module")
def index(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An index on this machine, as containers reach it, with one package."""
    folder = tmp_path_factory.mktemp("index")
    wheel(folder, "lonely", "1.0")
    where = "{{(index .IPAM.Config 0).Gateway}}"
    gateway = lab.docker("network", "inspect", "bridge", "-f", where).strip()
    with served(folder) as port:
        yield f"http://{gateway}:{port}/"


@pytest.fixture
def fresh(lab: Lab, index: str) -> Callable[..., ImageSpec]:
    """Makes specs whose packages nobody has installed."""

    def make(**fields: Any) -> ImageSpec:
        kind = {
            "name": "shared",
            "base_image": lab.base_image,
            "packages": ["lonely"],
            "pip_index": index,
            "pip_extra_args": f"--trusted-host {index.split('/')[2].partition(':')[0]}",
            # Without uv nothing comes from elsewhere.
            "builder_options": {"installer": "pip"},
            # Variables that steer the installer are a part of its step.
            "env": {"UV_UNIQUE": uuid.uuid4().hex},
        }
        return ImageSpec(**{**kind, **fields})

    return make


def installed(result: BuildResult) -> bool:
    """Has the build run its install step?"""
    return any(step.field == "packages" and step.status == "done" for step in result.steps)


def test_a_second_machine_of_a_teammate_starts_warm(  # noqa: PLR0913 - fixtures
    fresh: Callable[..., ImageSpec],
    lab: Lab,
    far: Far,
    cache: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = fresh()
    first = build(spec, shared_cache=cache)
    assert installed(first)
    assert len(tags(cache)) == 1
    # Another user, with a key of their own, another engine, another command.
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "another"))
    monkeypatch.setenv("DOCKER_HOST", far.unix)
    monkeypatch.setenv("ENVD_MAGIC_SHARED_CACHE", cache)
    spec.commands = ["python -c 'import lonely' && echo done > /done.txt"]
    second = build(spec)
    assert not installed(second)
    assert second.warnings == ()
    assert far.docker("run", "--rm", second.image, "cat", "/done.txt") == "done\n"
    # From now on the engine has it, and the registry is not asked.
    spec.commands = ["true"]
    third = build(spec)
    assert not installed(third)
    assert third.log_file is not None
    assert cache not in third.log_file.read_text()


def test_what_is_kept_already_is_offered_once(
    fresh: Callable[..., ImageSpec], lab: Lab, cache: str
) -> None:
    spec = fresh()
    build(spec, shared_cache="")
    assert tags(cache) == []
    assert not installed(build(spec, shared_cache=cache, force=True))
    assert len(tags(cache)) == 1
    again = build(spec, shared_cache=cache, force=True)
    assert again.log_file is not None
    assert cache not in again.log_file.read_text()


def test_what_needs_credentials_is_shared_with_nobody(
    fresh: Callable[..., ImageSpec], lab: Lab, cache: str, tmp_path: Path
) -> None:
    secret = tmp_path / "netrc"
    secret.write_text("machine example.org login me password canary-password")
    mounted = fresh(pip_secret_mounts=[(str(secret), "/root/.netrc")])
    # It is in the text of the step, since the user wants it in the image.
    variable = fresh(env={"UV_TOKEN": f"canary-{uuid.uuid4().hex}"})
    for spec in (mounted, variable):
        result = build(spec, shared_cache=cache)
        assert any("stays on this engine alone" in text for text in result.warnings)
    assert tags(cache) == []


def test_a_cache_that_cannot_be_reached_stops_nothing(
    fresh: Callable[..., ImageSpec], lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = f"localhost:{free_port()}/team/cache"
    result = build(fresh(), shared_cache=gone)
    assert result.status == "built"
    assert [text for text in result.warnings if "shared_cache is not used: Cannot ask" in text]
    # Once, and not for the push too.
    assert len([text for text in result.warnings if "shared_cache" in text]) == 1
    with pytest.raises(EnvdMagicError, match=r"shared_cache: 'localhost:5000' is no repository"):
        build(fresh(), shared_cache="localhost:5000")
    monkeypatch.setenv("ENVD_MAGIC_SHARED_CACHE", "localhost:5000/Team:1")
    with pytest.raises(EnvdMagicError, match=r"ENVD_MAGIC_SHARED_CACHE: '.*' is no repository"):
        build(fresh())


def test_what_is_not_what_its_name_says_is_not_taken(
    fresh: Callable[..., ImageSpec], lab: Lab, cache: str
) -> None:
    spec = fresh()
    build(spec, shared_cache=cache)
    name = f"{cache}:{tags(cache)[0]}"
    # Somebody puts another image there, and the engine forgets.
    kept = [one for one in lab.inspect(name)["RepoTags"] if one.startswith(images.DEPENDENCIES)]
    lab.docker("rmi", name, *kept)
    run("docker", "-H", lab.docker_host, "import", "-", name, text_in="")
    lab.docker("push", "-q", name)
    lab.docker("rmi", name)
    result = build(spec, shared_cache=cache, force=True)
    assert any("is not what its name says" in text for text in result.warnings)
    assert lab.run(result.image, "python", "-c", "import lonely") == ""


def test_names_in_a_shared_cache_go_with_what_is_kept(
    fresh: Callable[..., ImageSpec], lab: Lab, cache: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(fresh(), shared_cache=cache)
    monkeypatch.setattr(images, "MOST_DEPENDENCIES", 0)
    engine = Engine()
    try:
        assert f"{cache}:{tags(cache)[0]}" in images.old_dependencies(
            engine, images.own_names(engine)
        )
    finally:
        engine.close()


_CALLS = """
sys.exit(0)
"""


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLYTE_ENVD_CONTEXT", "flyte-sandbox")
    return fake_envd(tmp_path, monkeypatch, _CALLS)


def words(calls: Path) -> list[list[str]]:
    """Give the calls of ``envd build``."""
    found = [json.loads(line) for line in calls.read_text().splitlines()]
    return [call for call in found if call[0] == "build"]


def far_spec(**fields: Any) -> ImageSpec:
    return ImageSpec(name="far", registry="localhost:30000", base_image="debian:12", **fields)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("localhost:5000/team/layers", "type=registry,ref=localhost:5000/team/layers:buildcache"),
        ("team/layers:main", "type=registry,ref=team/layers:main"),
        ("type=s3,bucket=b,mode=min", "type=s3,bucket=b,mode=min"),
    ],
)
def test_other_builders_import_and_export_their_layers(calls: Path, given: str, told: str) -> None:
    build(far_spec(), cache_from=given, cache_to=given)
    (call,) = words(calls)
    assert call[call.index("--import-cache") + 1] == told
    most = "" if "mode=" in given else ",mode=max"
    assert call[call.index("--export-cache") + 1] == f"{told}{most}"


def test_each_platform_has_a_layer_cache_of_its_own(calls: Path) -> None:
    spec = far_spec(platform="linux/amd64,linux/arm64")
    with pytest.raises(EnvdMagicError, match="push the index"):
        build(spec, cache_from="r:5000/c")
    found = [call[call.index("--import-cache") + 1] for call in words(calls)]
    assert [text.rpartition(":")[2] for text in found] == [
        "buildcache-linux-amd64",
        "buildcache-linux-arm64",
    ]


def test_a_build_with_credentials_exports_no_layers(calls: Path, tmp_path: Path) -> None:
    secret = tmp_path / "netrc"
    secret.write_text("machine example.org login me password canary-password")
    spec = far_spec(packages=["six"], pip_secret_mounts=[(str(secret), "/root/.netrc")])
    result = build(spec, cache_from="r:5000/c", cache_to="r:5000/c")
    (call,) = words(calls)
    assert "--import-cache" in call
    assert "--export-cache" not in call
    assert any("cache_to: not exported" in text for text in result.warnings)


@pytest.mark.parametrize("name", ["cache_from", "cache_to"])
def test_the_engines_own_builder_has_no_layer_cache_to_share(
    fresh: Callable[..., ImageSpec], lab: Lab, name: str
) -> None:
    with pytest.raises(ContextError, match=f"{name}: the builder moby-worker .*--shared-cache"):
        build(fresh(), **{name: "localhost:5000/c"})  # type: ignore[arg-type]


def test_builders_without_an_engine_have_no_shared_cache(calls: Path) -> None:
    result = build(far_spec(), shared_cache="localhost:5000/team/cache")
    assert any("the builder tcp has none; cache_from" in text for text in result.warnings)
    assert len(words(calls)) == 1

"""The pipeline: what is built when, what is pushed, what is left as it was."""

from __future__ import annotations

import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from flytekit import ImageSpec
from flytekit.image_spec.image_spec import ImageBuildEngine

import envd_magic
from envd_magic import BuildError, EngineError, PushError, build, last_result
from envd_magic.owner import private_name
from envd_magic.plugin import EnvdImageSpecBuilder

if TYPE_CHECKING:
    from .lab import Lab


def fresh() -> dict[str, str]:
    """Variables that make a spec nobody has built."""
    return {"UNIQUE": uuid.uuid4().hex}


def in_registry(lab: Lab, image: str) -> str | None:
    name, _, tag = image.removeprefix(f"{lab.registry}/").rpartition(":")
    url = f"http://{lab.registry}/v2/{name}/manifests/{tag}"
    accept = "application/vnd.docker.distribution.manifest.v2+json"
    answer = requests.head(url, headers={"Accept": accept}, timeout=10)
    return answer.headers["Docker-Content-Digest"] if answer.ok else None


def test_a_registry_gets_the_image_and_its_digest_is_told(lab: Lab) -> None:
    result = build(ImageSpec(name="pushed", registry=lab.registry, env=fresh()))
    assert result.pushed
    assert in_registry(lab, result.image) == result.digest


@pytest.mark.parametrize("value", ["False", "0", "FALSE"])
def test_the_variable_keeps_the_image_local(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FLYTE_PUSH_IMAGE_SPEC", value)
    result = build(ImageSpec(name="local", registry=lab.registry, env=fresh()))
    assert not result.pushed
    assert in_registry(lab, result.image) is None
    assert lab.inspect(result.image)["Id"] == result.digest


@pytest.mark.parametrize("value", ["True", "TRUE", "1"])
def test_the_variable_lets_it_be_pushed(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("FLYTE_PUSH_IMAGE_SPEC", value)
    result = build(ImageSpec(name="allowed", registry=lab.registry, env=fresh()))
    assert in_registry(lab, result.image) == result.digest


def test_what_is_in_the_registry_is_not_built_again(lab: Lab) -> None:
    spec = ImageSpec(name="there", registry=lab.registry, env=fresh())
    first = build(spec)
    lab.docker("rmi", first.image)
    second = build(spec)
    assert second.status == "exists"
    assert second.digest == first.digest
    assert build(spec, force=True).status == "built"


def test_what_another_recipe_made_in_the_registry_is_built_again(lab: Lab) -> None:
    name = f"fixed-{uuid.uuid4().hex[:8]}"

    def spec(value: str) -> ImageSpec:
        return ImageSpec(name=name, registry=lab.registry, tag_format="v1", env={"WHICH": value})

    first = build(spec("one"))
    lab.docker("rmi", first.image)
    second = build(spec("two"))
    assert second.status == "built"
    assert any("made in another way" in warning for warning in second.warnings)
    assert in_registry(lab, first.image) == second.digest != first.digest
    lab.docker("rmi", first.image)
    assert build(spec("two")).status == "exists"


@pytest.mark.parametrize(
    ("tag_format", "status"), [(None, "exists"), ("p-{spec_hash}", "exists"), ("v1", "built")]
)
def test_what_another_builder_pushed_counts_where_the_tag_tells_of_the_spec(
    lab: Lab, tag_format: str | None, status: str
) -> None:
    name = f"others-{uuid.uuid4().hex[:8]}"
    spec = ImageSpec(name=name, registry=lab.registry, tag_format=tag_format)
    image = spec.image_name()
    lab.docker("tag", lab.base_image, image)
    lab.docker("push", "-q", image)
    lab.docker("rmi", image)
    assert build(spec).status == status


def test_what_another_builder_pushed_counts_where_its_id_is_the_specs(lab: Lab) -> None:
    name = f"others-{uuid.uuid4().hex[:8]}"
    spec = ImageSpec(name=name, registry=lab.registry, tag_format="v1")
    image = lab.derive("others", [f"ENV _F_IMG_ID={spec.id}"])
    lab.docker("tag", image, spec.image_name())
    lab.docker("push", "-q", spec.image_name())
    lab.docker("rmi", spec.image_name())
    assert build(spec).status == "exists"


def test_an_unchanged_build_takes_every_step_from_the_cache(lab: Lab) -> None:
    base = lab.derive("seven", [f"ENV {' '.join(f'V{n}={n}' for n in range(7))}"])
    env = {**fresh(), **{f"W{n}": str(n) for n in range(12)}}
    spec = ImageSpec(name="cached", base_image=base, packages=["six"], commands=["true"], env=env)
    build(spec)
    for _ in range(3):
        steps = build(spec, force=True).steps
        ours = [step for step in steps if step.field in ("packages", "commands")]
        assert [step.status for step in ours] == ["cached"] * len(ours)
        assert len(ours) == 3


def test_a_build_that_changes_nothing_keeps_its_digest(lab: Lab) -> None:
    assert lab
    spec = ImageSpec(name="same", env={**fresh(), "A": "b"}, commands=["date > /built"])
    assert build(spec).digest == build(spec, force=True).digest


@pytest.mark.parametrize(
    "other",
    [
        {"env": {"SEED": "2"}},
        {"env": {}},
        {"env": {"SEED": "1", "MORE": "1"}},
        {"env": {"SEED": "1"}, "entrypoint": ["echo"]},
        {"env": {"SEED": "1"}, "entrypoint": []},
    ],
)
def test_an_image_of_the_same_layers_gets_its_own_settings(lab: Lab, other: dict[str, Any]) -> None:
    base = lab.derive("with-entrypoint", ['ENTRYPOINT ["cat"]', 'CMD ["/etc/hostname"]'])

    def built(fields: dict[str, Any]) -> dict[str, Any]:
        spec = ImageSpec(name="settings", base_image=base, **fields)
        spec.__dict__["tag"] = "stable"
        found = lab.inspect(EnvdImageSpecBuilder().build_image(spec))["Config"]
        env = dict(item.split("=", 1) for item in found["Env"])
        del env["_F_IMG_ID"]
        return {"entrypoint": found["Entrypoint"], "env": env}

    expected, before = built(other), built({"env": {"SEED": "1"}})
    assert expected != before
    assert built(other) == expected


def test_a_failed_build_leaves_the_last_good_image(lab: Lab) -> None:
    spec = ImageSpec(name="good", tag_format="stable-{spec_hash}", env=fresh())
    spec.__dict__["tag"] = "stable"
    good = EnvdImageSpecBuilder().build_image(spec)
    before = lab.inspect(good)["Id"]
    bad = ImageSpec(name="good", commands=["false"])
    bad.__dict__["tag"] = "stable"
    with pytest.raises(BuildError):
        EnvdImageSpecBuilder().build_image(bad)
    assert lab.inspect(good)["Id"] == before


def test_private_names_do_not_stay_in_the_engine(lab: Lab) -> None:
    build(ImageSpec(name="names", env=fresh(), commands=["true"]))
    with pytest.raises(BuildError):
        build(ImageSpec(name="names", env=fresh(), commands=["false"]))
    listed = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
    assert private_name().rpartition("-")[0] not in listed


def test_the_last_result_tells_of_a_failure_too(lab: Lab) -> None:
    assert lab
    with pytest.raises(BuildError) as caught:
        build(
            ImageSpec(name="failed", env=fresh(), commands=["echo the reason; sleep 0.5; exit 4"])
        )
    result = last_result()
    assert result is not None
    assert result.status == "failed"
    assert "the reason" in result.error
    failed = [step for step in result.steps if step.status == "failed"]
    assert [step.field for step in failed] == ["commands"]
    assert result.log_file is not None
    assert "the reason" in result.log_file.read_text()
    assert caught.value.exit_code == 1


def test_the_log_has_every_line_in_order(lab: Lab) -> None:
    assert lab
    commands = ["for i in $(seq 1 3000); do echo line $i; done", "printf 'no end of line'"]
    result = build(ImageSpec(name="log", env=fresh(), commands=commands))
    assert result.log_file is not None
    text = result.log_file.read_text()
    numbers = [
        int(line.split()[-1])
        for line in text.splitlines()
        if " line " in line and line[-1].isdigit()
    ]
    assert numbers == list(range(1, 3001))
    assert "no end of line" in text
    assert result.log_file.stat().st_mode & 0o777 == 0o600


def test_the_users_envd_and_shell_are_as_before(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".bashrc").write_text("# mine\n")
    run = ["envd", "context", "create", "--name", "mine", "--builder", "moby-worker", "--use"]
    import os

    quiet = {**os.environ, "ENVD_ANALYTICS": "false"}
    subprocess.run(run, check=True, capture_output=True, env=quiet)
    before = {p: p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}
    config = tmp_path.parent / f"registry-{uuid.uuid4().hex}.json"
    config.write_text('{"registries": [{"name": "localhost", "use_http": true}]}')
    build(ImageSpec(name="home", env=fresh(), registry_config=str(config)))
    with pytest.raises(BuildError):
        build(ImageSpec(name="home", env=fresh(), commands=["false"]))
    after = {p: p.read_bytes() for p in sorted(tmp_path.rglob("*")) if p.is_file()}
    assert after == before


def test_a_registry_that_is_not_there_is_a_push_error(lab: Lab) -> None:
    assert lab
    with pytest.raises(EngineError, match="localhost:1"):
        build(ImageSpec(name="nowhere", registry="localhost:1", env=fresh()))
    with pytest.raises(PushError, match="localhost:1"):
        build(ImageSpec(name="nowhere", registry="localhost:1", env=fresh()), force=True)


def test_no_engine_is_told_in_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    with pytest.raises(EngineError, match="No Docker engine answers"):
        build(ImageSpec(name="none", base_image="debian:12"))


def test_flytekit_builds_with_it(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    base = ImageSpec(name="fk-base", builder="envd", env=fresh())
    spec = ImageSpec(
        name="fk", builder="envd", base_image=base, commands=["echo said by a command > /c"]
    )
    ImageBuildEngine.build(spec)
    printed = capsys.readouterr().out
    assert "envd_magic builds fk:" in printed
    assert "#1 " in printed
    env = dict(item.split("=", 1) for item in lab.inspect(spec.image_name())["Config"]["Env"])
    assert env["_F_IMG_ID"] == spec.id
    assert lab.run(spec.image_name(), "cat", "/c") == "said by a command\n"


def test_the_failed_spec_is_printed_and_its_secrets_are_not(
    lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    assert lab
    spec = ImageSpec(
        name="told", env={"API_TOKEN": "sesame-4711"}, commands=["echo $API_TOKEN; false"]
    )
    with pytest.raises(BuildError) as caught:
        EnvdImageSpecBuilder().build_image(spec)
    printed = capsys.readouterr().out
    assert "ImageSpec(" in printed
    assert "commands=" in printed
    assert "sesame-4711" not in printed + str(caught.value)


def test_what_is_public_is_there() -> None:
    assert sorted(envd_magic.__all__) == envd_magic.__all__
    for name in envd_magic.__all__:
        assert getattr(envd_magic, name) is not None

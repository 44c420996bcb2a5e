"""The second build: what did not change is not done again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.options import Options

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.pipeline.result import BuildResult

    from .lab import Lab


def fresh() -> str:
    return uuid.uuid4().hex


def build(spec: ImageSpec, *, no_cache: bool = False) -> BuildResult:
    return build_spec(spec, Options(force=True, no_cache=no_cache))


def ran(result: BuildResult) -> set[str]:
    """Fields whose steps ran."""
    return {step.field for step in result.steps if step.status == "done"} - {"", "base_image"}


@pytest.mark.parametrize(("brings", "own"), [(1, 0), (3, 2), (7, 4), (7, 12)])
def test_no_edit_of_anything_else_installs_again_ten_times_of_ten(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, brings: int, own: int
) -> None:
    monkeypatch.chdir(tmp_path)
    variables = " ".join(f"B{number}={number}" for number in range(brings))
    base = lab.derive(f"second{brings}", [f"ENV {variables}"])
    env = {f"V{number}": str(number) for number in range(own)}
    file = tmp_path / "data.txt"
    kind = {"name": "second", "base_image": base, "packages": ["six"]}
    file.write_text(fresh(), encoding="utf-8")
    command = f"echo {fresh()} > /command"
    build(ImageSpec(**kind, env=env, copy=["data.txt"], commands=[command]))
    again = []
    for number in range(10):
        changed = ("file", "command", "env", "nothing")[number % 4]
        if changed == "file":
            file.write_text(fresh(), encoding="utf-8")
        elif changed == "command":
            command = f"echo {fresh()} > /command"
        elif changed == "env" and env:
            env = {**env, "V0": fresh()}
        spec = ImageSpec(**kind, env=env, copy=["data.txt"], commands=[command])
        again.append("packages" in ran(build(spec)))
    assert again == [False] * 10


def test_an_unchanged_build_runs_nothing(lab: Lab) -> None:
    spec = ImageSpec(
        name="unchanged", packages=["six"], commands=[f"echo {fresh()}"], env={"A": fresh()}
    )
    build(spec)
    assert ran(build(spec)) == set()


def test_a_changed_file_is_in_the_image(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "file.txt"
    file.write_text("before", encoding="utf-8")
    build(ImageSpec(name="changed-file", packages=["six"], copy=["file.txt"]))
    file.write_text("after", encoding="utf-8")
    result = build(ImageSpec(name="changed-file", packages=["six"], copy=["file.txt"]))
    assert lab.run(result.image, "cat", "/root/file.txt") == "after"
    assert lab.run(result.image, "python", "-c", "import six; print(six.__name__)") == "six\n"


def test_a_secret_that_is_mounted_installs_again_only_if_it_changes(
    lab: Lab, tmp_path: Path
) -> None:
    secret = tmp_path / "token"
    secret.write_text(fresh(), encoding="utf-8")
    spec = ImageSpec(
        name="mounted", packages=["six"], pip_secret_mounts=[(str(secret), "/run/token")]
    )
    build(spec)
    assert ran(build(spec)) == set()
    secret.write_text(fresh(), encoding="utf-8")
    assert "packages" in ran(build(spec))


def test_a_base_image_that_changes_under_its_name_is_installed_into_again(lab: Lab) -> None:
    base = lab.derive("moving", [f"RUN echo {fresh()} > /moved"])
    spec = ImageSpec(name="on-moving", base_image=base, packages=["six"])
    build(spec)
    lab.derive("moving", ["RUN echo second > /moved"])
    assert "packages" in ran(build(spec))
    assert lab.run(build(spec).image, "cat", "/moved") == "second\n"


def test_no_cache_runs_every_step_and_leaves_no_trace_of_it(lab: Lab) -> None:
    spec = ImageSpec(
        name="no-cache", packages=["six"], apt_packages=["tree"], commands=["echo a > /a"]
    )
    before = lab.inspect(build(spec).image)["Config"]["Env"]
    result = build(spec, no_cache=True)
    assert {"packages", "apt_packages", "commands"} <= ran(result)
    assert lab.inspect(result.image)["Config"]["Env"] == before


def test_what_an_image_runs_first_is_changed_without_a_step(lab: Lab) -> None:
    kind = {"name": "runs-first", "packages": ["six"]}
    build(ImageSpec(**kind))
    result = build(ImageSpec(**kind, entrypoint=["echo", "first"]))
    assert ran(result) == set()
    assert lab.docker("run", "--rm", result.image, "second").split() == ["first", "second"]

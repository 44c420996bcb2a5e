"""The second build: what did not change is not done again."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

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
    second = fresh()
    lab.derive("moving", [f"RUN echo {second} > /moved"])
    assert "packages" in ran(build(spec))
    assert lab.run(build(spec).image, "cat", "/moved") == f"{second}\n"


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


def incremental(spec: ImageSpec) -> BuildResult:
    return build_spec(spec, Options(force=True, incremental=True))


def version(lab: Lab, image: str, package: str) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return lab.run(image, "python", "-c", code).strip()


def test_incrementally_a_new_package_goes_behind_those_that_are_there(lab: Lab) -> None:
    kind = {"name": f"grows-{fresh()[:8]}"}
    first = build(ImageSpec(**kind, packages=["six==1.16.0", "attrs"], apt_packages=["tree"]))
    second = incremental(
        ImageSpec(**kind, packages=["six", "attrs", "tabulate"], apt_packages=["tree", "jq"])
    )
    assert any("+ tabulate" in text and "+ jq" in text for text in second.warnings)
    layers = [lab.inspect(one.image)["RootFS"]["Layers"] for one in (first, second)]
    assert layers[1][: len(layers[0])] == layers[0]
    assert version(lab, second.image, "six") == "1.16.0"
    assert version(lab, second.image, "tabulate")
    assert lab.run(second.image, "which", "jq", "tree").split() == ["/usr/bin/jq", "/usr/bin/tree"]


def test_incrementally_a_version_changes_where_it_is_asked_for(lab: Lab) -> None:
    kind = {"name": f"moves-{fresh()[:8]}"}
    build(ImageSpec(**kind, packages=["six==1.16.0", "attrs"]))
    second = incremental(ImageSpec(**kind, packages=["six==1.15.0", "attrs"]))
    assert version(lab, second.image, "six") == "1.15.0"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"packages": ["attrs"]}, "packages: - six"),
        ({"packages": ["six", "attrs"], "apt_packages": []}, "apt_packages: - tree"),
        ({"pip_extra_args": "--no-deps"}, "pip_extra_args changed"),
        ({"env": {"PIP_RETRIES": "3"}}, "env: + PIP_RETRIES"),
    ],
)
def test_incrementally_another_change_installs_all_and_names_the_field(
    lab: Lab, change: dict[str, Any], told: str
) -> None:
    kind = {
        "name": f"shrinks-{fresh()[:8]}",
        "packages": ["six", "attrs"],
        "apt_packages": ["tree"],
    }
    build(ImageSpec(**kind))
    second = incremental(ImageSpec(**{**kind, **change}))
    assert any("anew" in text and told in text for text in second.warnings)


def test_a_clean_build_replaces_what_was_made_incrementally(lab: Lab) -> None:
    kind = {"name": f"cleaned-{fresh()[:8]}"}
    build(ImageSpec(**kind, packages=["six==1.16.0"]))
    # One that no other build has kept.
    unique = f"attrs!=0.{uuid.uuid4().int % 10**9}"
    grown = ImageSpec(**kind, packages=["six", unique])
    assert build_spec(grown, Options(incremental=True)).status == "built"
    assert build_spec(grown, Options(incremental=True)).status == "exists"
    assert version(lab, grown.image_name(), "six") == "1.16.0"
    assert build_spec(grown, Options()).status == "built"
    assert version(lab, grown.image_name(), "six") != "1.16.0"
    assert build_spec(grown, Options(incremental=True)).status == "exists"

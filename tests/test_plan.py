"""The plan of a build: what will run, why, and whether the build then did so."""

from __future__ import annotations

import json
import os
import time
import uuid
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

import envd_magic
from envd_magic import SpecError, build, plan
from envd_magic.engine.client import Engine
from envd_magic.forecast.diff import diff_specs
from envd_magic.recipe.compose import Base, compose
from envd_magic.recipe.mistakes import mistake

from .accuracy import compare
from .notebooks import run, write

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.forecast.result import Plan, PlannedStep

    from .lab import Lab


def fresh() -> str:
    return uuid.uuid4().hex


def step(planned: Plan, field: str) -> PlannedStep:
    """Give the last step of a field."""
    return [one for one in planned.steps if one.field == field][-1]


@pytest.fixture
def built(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Fields of a spec whose image was built."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text(fresh(), encoding="utf-8")
    fields: dict[str, Any] = {
        "name": f"planned-{fresh()[:8]}",
        "packages": ["six"],
        "apt_packages": ["tree"],
        "copy": ["data.txt"],
        "commands": ["echo a > /a"],
        "env": {"SEED": "1"},
    }
    build(ImageSpec(**fields))
    return fields


def test_an_image_that_is_there_is_told(built: dict[str, Any]) -> None:
    assert plan(ImageSpec(**built)).exists


@pytest.mark.parametrize(
    ("change", "field", "why"),
    [
        ({"packages": ["six", "humanize"]}, "packages", "packages: + humanize"),
        ({"packages": ["six>1"]}, "packages", "packages: six changed"),
        ({"apt_packages": ["tree", "jq"]}, "apt_packages", "apt_packages: + jq"),
        ({"commands": ["echo b > /a"]}, "commands", "commands: command 1 changed"),
        ({"env": {"SEED": "2"}}, "commands", "env: SEED changed"),
        ({"pip_extra_args": "--no-deps"}, "packages", "pip_extra_args changed"),
        ({"apt_packages": ["tree", "jq"]}, "commands", "runs because a step before it does"),
    ],
)
def test_a_step_that_will_run_tells_what_changed(
    built: dict[str, Any], change: dict[str, Any], field: str, why: str
) -> None:
    found = step(plan(ImageSpec(**{**built, **change})), field)
    assert found.forecast == "runs"
    assert found.reason.startswith(why)


def test_a_changed_file_is_named(built: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text(fresh(), encoding="utf-8")
    found = plan(ImageSpec(**built))
    assert step(found, "copy").reason == "copy: data.txt changed"
    assert step(found, "packages").forecast == "cached"


def test_what_a_plan_says_the_build_does(built: dict[str, Any], tmp_path: Path) -> None:
    # Such as no build of another home has left in the engine's cache.
    two = ["six", f"tabulate!=0.{uuid.uuid4().int % 10**9}"]
    edits: list[dict[str, Any]] = [
        {},
        {"commands": ["echo b > /a"]},
        {"packages": two},
        {"env": {"SEED": "3"}, "packages": two},
        {"packages": ["six"]},
        {"entrypoint": ["true"]},
    ]
    wrong = []
    for edit in edits:
        spec = ImageSpec(**{**built, **edit})
        forecast = plan(spec, force=True)
        wrong += compare(forecast, build(spec, force=True)).wrong
    assert wrong == []


def test_steps_have_the_seconds_that_they_took_before(built: dict[str, Any]) -> None:
    found = step(plan(ImageSpec(**{**built, "packages": ["six", "humanize"]})), "packages")
    assert found.seconds is not None
    assert found.seconds > 0


def test_without_an_engine_the_steps_are_told_and_the_cache_is_not_known(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    found = plan(ImageSpec(name="planned", packages=["six"], base_image=lab.base_image))
    assert step(found, "packages").forecast == "unknown"
    assert any("cannot be known" in note for note in found.notes)


@pytest.mark.timeout(30)
def test_an_engine_whose_clock_is_behind_is_not_waited_for(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    with closing(Engine()) as engine:
        before = engine.last_prune()
        clock = time.time
        monkeypatch.setattr(time, "time", lambda: clock() + 3600)
        after = engine.last_prune()
    # By this machine's clock, as all that is remembered.
    assert (before is None) is (after is None)
    if before is not None and after is not None:
        assert after - before == pytest.approx(3600, abs=5)


def test_nothing_is_built_or_left(lab: Lab) -> None:
    spec = ImageSpec(name=f"planned-{fresh()[:8]}", packages=["six"], commands=["true"])
    plan(spec)
    names = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    assert spec.image_name() not in names
    assert [name for name in names if f"-{os.getpid()}-" in name] == []


def test_a_secret_is_not_in_a_plan(lab: Lab) -> None:
    secret = fresh()
    spec = ImageSpec(
        name="planned",
        packages=["six"],
        pip_index=f"https://user:{secret}@index.example/simple",
        env={"API_TOKEN": secret},
        commands=[f"echo {secret}"],
    )
    assert secret not in json.dumps(plan(spec).to_json())


def test_a_base_spec_has_a_plan_of_its_own(lab: Lab) -> None:
    base = ImageSpec(name=f"below-{fresh()[:8]}", commands=[f"echo {fresh()}"])
    spec = ImageSpec(name=f"above-{fresh()[:8]}", base_image=base, commands=["true"])
    found = plan(spec)
    assert found.base is not None
    assert step(found.base, "commands").forecast == "runs"
    assert "base spec" in step(found, "commands").reason
    # Once the base spec is built, the engine has what stands on it, and takes it from there.
    assert step(found, "base_image").forecast == "cached"
    assert compare(found, build(spec)).wrong == []


@pytest.mark.parametrize(
    ("line", "field", "item"),
    [(4, "base_image", "debian"), (5, "apt_packages", "jq"), (6, "packages", None)],
)
def test_a_line_of_build_envd_is_told_as_the_field_that_it_came_from(
    line: int, field: str, item: str | None
) -> None:
    spec = ImageSpec(name="x", base_image="debian", packages=["six"], apt_packages=["jq"])
    found = mistake(compose(spec, Base("debian")), f"build.envd:{line}:28: got jq, want ]")
    assert found is not None
    assert (found.field, found.item) == (field, item)


def test_two_specs_are_compared_without_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere.sock")
    kind = {"name": "x", "base_image": "debian", "packages": ["six"]}
    found = diff_specs(ImageSpec(**kind, commands=["true"]), ImageSpec(**kind, commands=["false"]))
    assert found.changes == ("commands: command 1 changed",)
    forecasts = {one.field: one.forecast for one in found.steps}
    assert forecasts == {"packages": "cached", "commands": "runs"}
    assert any(line.startswith("-") and "true" in line for line in found.recipe)


def test_the_command_line_plans_notebooks(lab: Lab, tmp_path: Path) -> None:
    cell = "%%envd_build image\nImageSpec(name='n', packages=['six'])"
    notebook = write(tmp_path / "n.ipynb", cell)
    done = run("plan", notebook, "--json")
    told = json.loads(done.stdout)
    assert done.exit_code == 0
    assert [one["field"] for one in told["steps"]].count("packages") >= 1


def test_what_cannot_be_honoured_is_told_by_field() -> None:
    with pytest.raises(SpecError, match="packages"):
        plan(ImageSpec(name="x", packages=["six >>1"]))


def test_it_is_there_by_its_name() -> None:
    assert "plan" in envd_magic.__all__

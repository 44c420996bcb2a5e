"""Builds side by side in one engine: none takes away what another has found."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic.engine import finishing, images
from envd_magic.engine.client import Engine
from envd_magic.pipeline import leftovers, staging
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.dependencies import choose
from envd_magic.pipeline.events import StepStarted
from envd_magic.pipeline.options import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .lab import Lab


def fresh(command: str = "true", name: str = "beside") -> ImageSpec:
    """Make a spec with a command of its own."""
    command = f"{command} {uuid.uuid4().hex}"
    return ImageSpec(name=name, packages=["six"], commands=[command])


def before(do: Callable[..., Any], act: Callable[..., None]) -> Callable[..., Any]:
    """Give a function that lets something happen once after it."""
    done: list[bool] = []

    def wrapped(*arguments: Any, **options: Any) -> Any:
        found = do(*arguments, **options)
        if not done:
            done.append(True)
            act(found)
        return found

    return wrapped


@pytest.fixture(autouse=True)
def own(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A repository of kept dependencies that no other test uses, all of them too many."""
    name = f"beside-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(images, "DEPENDENCIES", name)
    monkeypatch.setattr(images, "MOST_DEPENDENCIES", 0)
    # Only when a test says so.
    monkeypatch.setattr(leftovers, "_sweep", lambda *_: None)
    yield name
    with closing(Engine()) as engine:
        images.untag(engine, images.old_dependencies(engine, images.own_names(engine)))
    assert not lab.docker("images", "-q", name).strip()


def sweep(_: object) -> None:
    with closing(Engine()) as engine:
        images.untag(engine, images.old_dependencies(engine, images.own_names(engine)))


def test_what_a_build_has_chosen_may_be_swept_before_it_is_taken(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_spec(fresh())
    chosen: list[Any] = []

    def swept(choice: Any) -> None:
        chosen.append(choice.there)
        sweep(choice)

    monkeypatch.setattr(staging, "choose", before(choose, swept))
    image = build_spec(fresh()).image
    assert chosen != [None]
    assert lab.run(image, "python", "-c", "import six") == ""


def test_what_a_build_has_taken_stays_whoever_sweeps(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    build_spec(fresh())
    monkeypatch.setattr(images, "hold", before(images.hold, sweep))
    spec = fresh("echo taken > /taken; true")
    result = build_spec(
        spec, Options(listener=lambda event: sweep(event) if "Phase" in repr(event) else None)
    )
    ran = {step.field for step in result.steps if step.status == "done"}
    assert "commands" in ran
    assert "packages" not in ran
    assert lab.run(result.image, "cat", "/taken") == "taken\n"


def test_what_is_named_again_while_others_are_swept_is_kept(lab: Lab, own: str) -> None:
    for number in range(3):
        lab.docker("tag", lab.base_image, f"{own}:{number}")
    with closing(Engine()) as engine:
        found = images.old_dependencies(engine, images.own_names(engine))
        first = next(found)
        for number in range(3):
            lab.docker("tag", lab.base_image, f"{own}:{number}")
        assert first.startswith(own)
        assert list(found) == []


def test_an_equal_image_that_loses_its_name_to_another_build_is_made_anew(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = fresh()
    image = build_spec(spec).image

    def rename(same: object) -> None:
        assert same
        lab.docker("rmi", image)

    monkeypatch.setattr(finishing, "_is_same", before(finishing._is_same, rename))  # noqa: SLF001
    assert build_spec(spec, Options(force=True)).status == "built"
    assert lab.inspect(image)["Id"]


def test_equal_specs_of_several_users_at_once_are_built_by_both(lab: Lab, tmp_path: Path) -> None:
    commands = fresh(name="users").commands
    script = f"""
from flytekit import ImageSpec
from envd_magic import build
print("ready", flush=True)
input()
result = build(ImageSpec(name="users", packages=["six"], commands={commands!r}))
print(result.image, result.status)
"""
    users = []
    for name in ("one", "two"):
        home = tmp_path / name
        home.mkdir()
        env = {**os.environ, "HOME": str(home), "ENVD_MAGIC_HOME": str(home / "ours")}
        command = [sys.executable, "-c", script]
        pipe = subprocess.PIPE
        users.append(
            subprocess.Popen(command, env=env, text=True, stdin=pipe, stdout=pipe, stderr=pipe)
        )
    try:
        for one in users:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        for one in users:
            assert one.stdin is not None
            one.stdin.write("go\n")
            one.stdin.flush()
        ended = [one.communicate() for one in users]
        assert [one.returncode for one in users] == [0, 0], ended
    finally:
        for one in users:
            one.kill()
    told = {out.split()[-2] for out, _ in ended}
    assert len(told) == 1
    assert lab.run(told.pop(), "python", "-c", "import six") == ""
    assert left(users, lab) == []


def left(users: list[subprocess.Popen[str]], lab: Lab) -> list[str]:
    """Give the private names that some processes have left."""
    names = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    return [name for name in names if any(f"-{one.pid}-" in name for one in users)]


def test_builds_on_one_base_share_its_private_name_until_the_last_one_ends(lab: Lab) -> None:
    begun, others_done = threading.Event(), threading.Event()

    def hold_on(event: object) -> None:
        if isinstance(event, StepStarted) and event.field == "commands":
            begun.set()
            assert others_done.wait(120)

    def bases() -> list[str]:
        listed = lab.docker("images", "--format", "{{.Repository}}").split()
        return [name for name in listed if f"-{os.getpid()}-" in name and "/envd_magic/" in name]

    def spec(number: int) -> ImageSpec:
        text = f"echo {number} {uuid.uuid4().hex} > /number"
        return ImageSpec(name=f"shared-base-{number}", commands=[text])

    with ThreadPoolExecutor(1) as pool:
        try:
            first = pool.submit(build_spec, spec(0), Options(listener=hold_on))
            assert begun.wait(120)
            seen: set[str] = set()
            second = build_spec(spec(1), Options(listener=lambda _: seen.update(bases())))
            assert seen == set(bases())
            assert len(seen) == 1
        finally:
            others_done.set()
        for number, result in enumerate((first.result(), second)):
            assert lab.run(result.image, "cat", "/number").startswith(f"{number} ")
    assert bases() == []

"""Builds at once, whose images the engine takes together; `tests.bench_many` has what it saves."""

from __future__ import annotations

import re
import threading
import uuid
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic import BuildInterrupted
from envd_magic.engine import finishing, loading
from envd_magic.pipeline import together
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.many import AtOnce
from envd_magic.pipeline.options import Options
from envd_magic.pipeline.slots import Slots
from envd_magic.pipeline.stop import Stop
from envd_magic.pipeline.together import Together

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envd_magic.engine.client import Engine
    from envd_magic.engine.loading import Loadable

    from .lab import Lab

# Seconds after which a test has failed that waits for something that was promised.
_LONG = 60


# Places to work in.


def test_no_more_work_at_once_than_there_are_places() -> None:
    slots, most = Slots(2), 0
    counted, working = threading.Lock(), 0

    def work(_: int) -> None:
        nonlocal most, working
        with slots.held():
            with counted:
                working += 1
                most = max(most, working)
            with counted:
                working -= 1

    on_threads(work, range(40))
    assert most <= 2
    assert slots.idle


def test_who_waits_for_others_leaves_its_place_to_somebody_else() -> None:
    slots = Slots(1)
    with slots.held(), slots.left(), slots.held():
        assert not slots.idle


def test_who_has_waited_works_on_though_all_places_are_taken() -> None:
    slots, taken, end = Slots(1), threading.Event(), threading.Event()

    def later() -> None:
        with slots.held():
            taken.set()
            end.wait(_LONG)

    thread = threading.Thread(target=later)
    with slots.held():
        with slots.left():
            thread.start()
            assert taken.wait(_LONG)
        assert not end.is_set()
    end.set()
    thread.join(_LONG)
    assert slots.idle


def test_one_at_a_time_is_one_after_the_other() -> None:
    seen: list[str] = []

    def do(item: int, together: Together) -> None:
        seen.append(f"begin {item}")
        with together.slots.left():
            pass
        seen.append(f"end {item}")

    pool: AtOnce[int] = AtOnce(1, do, lambda: None)
    pool.run(range(5))
    assert seen == [f"{what} {item}" for item in range(5) for what in ("begin", "end")]


def on_threads(do: Callable[[int], None], numbers: Sequence[int]) -> None:
    threads = [threading.Thread(target=do, args=(number,)) for number in numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_LONG)
        assert not thread.is_alive()


# In the engine.


@dataclass
class Builds:
    """Builds at once of images that differ in a command, and what the engine was given."""

    stop: dict[int, Stop] = field(default_factory=dict)
    groups: list[int] = field(default_factory=list)
    images: dict[int, str] = field(default_factory=dict)
    errors: dict[int, BaseException] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex[:8])

    def run(self, count: int, most: int) -> None:
        """Build so many, so many at once."""
        self.stop = {number: Stop() for number in range(count)}
        pool: AtOnce[int] = AtOnce(most, self._build, lambda: None)
        pool.run(range(count))

    def _build(self, number: int, meeting: Together) -> None:
        text = f"{self.mark} {number}"
        spec = ImageSpec(
            name=f"together-{number}", env={"NUMBER": text}, commands=[f"echo {text} > /number"]
        )
        options = Options(stop=self.stop[number], together=meeting)
        try:
            self.images[number] = build_spec(spec, options).image
        except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - looked at by the test
            self.errors[number] = error


@pytest.fixture
def builds(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Builds:
    assert lab
    found = Builds()

    def load(engine: Engine, images: Sequence[Loadable]) -> set[str]:
        found.groups.append(len(images))
        return loading.load(engine, images)

    monkeypatch.setattr(together, "load", load)
    # No test waits for it.
    monkeypatch.setattr(together, "_PATIENCE", 10.0 * _LONG)
    return found


def numbers(lab: Lab, images: dict[int, str], mark: str) -> None:
    """Look whether each image has its own file and its own variable."""
    for number, image in images.items():
        assert lab.run(image, "cat", "/number") == f"{mark} {number}\n"
        assert f"NUMBER={mark} {number}" in lab.inspect(image)["Config"]["Env"]


def test_images_of_builds_at_once_are_taken_together_and_each_is_its_own(
    lab: Lab, builds: Builds
) -> None:
    builds.run(3, 2)
    assert not builds.errors
    assert builds.groups == [3]
    numbers(lab, builds.images, builds.mark)
    assert len(builds.images) == 3


def test_an_image_that_the_engine_refuses_keeps_no_other_from_it(
    lab: Lab, builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = loading.packed

    def spoiled(files: dict[str, bytes]) -> bytes:
        """Name a layer that is nowhere in one of the images."""
        bad = f"NUMBER={builds.mark} 1".encode()
        return packed(
            {
                name: re.sub(rb'"sha256:\w{4}', b'"sha256:0000', text) if bad in text else text
                for name, text in files.items()
            }
        )

    monkeypatch.setattr(loading, "packed", spoiled)
    builds.run(3, 3)
    assert not builds.errors
    assert builds.groups == [3]
    numbers(lab, builds.images, builds.mark)
    committed = [number for number, one in builds.images.items() if lab.inspect(one)["Parent"]]
    assert committed == [1]


def test_a_build_that_is_stopped_while_it_waits_ends_and_the_others_go_on(
    lab: Lab, builds: Builds, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_its_end: SimpleQueue[str] = SimpleQueue()
    finish = finishing.finish

    def asked(engine: Any, built: Any, goal: Any, *more: Any) -> Any:
        at_its_end.put(goal.name)
        return finish(engine, built, goal, *more)

    def stops() -> None:
        at_its_end.get(timeout=_LONG)
        builds.stop[0].ask()

    monkeypatch.setattr(finishing, "finish", asked)
    # The second one has to come to its end after the first has been stopped.
    gone = threading.Event()
    do = builds._build  # noqa: SLF001

    def first_alone(number: int, meeting: Together) -> None:
        if number == 1:
            assert gone.wait(_LONG)
        do(number, meeting)
        gone.set()

    monkeypatch.setattr(builds, "_build", first_alone)
    stopper = threading.Thread(target=stops)
    stopper.start()
    builds.run(2, 2)
    stopper.join(_LONG)
    assert {number: type(one) for number, one in builds.errors.items()} == {0: BuildInterrupted}
    numbers(lab, builds.images, builds.mark)
    assert list(builds.images) == [1]
    assert builds.groups == [1], "what was given up was taken"

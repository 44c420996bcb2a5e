"""Equal specs at the same time: one is built, the others wait and take what came of it."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic import BuildError, BuildInterrupted, EnvdMagicError
from envd_magic.envd.contexts import Context, add_context
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.flight import alone, sweep
from envd_magic.pipeline.options import Options
from envd_magic.pipeline.stop import Stop

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.pipeline.result import BuildResult

    from .lab import Lab

# Far more than it may take.
_PATIENCE = 60
_WAITS = "is being built already; waiting"
_HOLDS = """
import sys
from envd_magic.pipeline.flight import alone
with alone("this", None) as turn:
    print("holds", flush=True)
    end = sys.stdin.readline().strip()
    if end == "made":
        turn.made("its recipe")
"""


@pytest.fixture
def holder() -> subprocess.Popen[str]:
    """A process that builds, until it is told how to end."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "holds\n"
    return process


@pytest.mark.parametrize(
    ("end", "before"), [("made\n", "its recipe"), ("nothing\n", ""), (None, "")]
)
def test_who_waits_for_a_process_hears_what_it_made_also_if_it_is_killed(
    holder: subprocess.Popen[str], end: str | None, before: str
) -> None:
    waits: list[int] = []

    def wait() -> None:
        if not waits:
            if end is None:
                holder.kill()
            else:
                holder.communicate(end)
        waits.append(1)
        holder.wait()

    with alone("this", wait) as turn:
        assert turn.before == before
    assert waits
    # Nobody is waited for now.
    with alone("this", pytest.fail) as turn:
        assert turn.before == ""


def test_who_waits_goes_on_though_a_process_that_was_forked_has_the_file() -> None:
    waits = threading.Event()

    def build() -> str:
        with alone("forked", waits.set) as turn:
            return turn.before

    with ThreadPoolExecutor(1) as pool:
        with alone("forked", pytest.fail) as turn:
            forked = os.dup(turn._handle)  # noqa: SLF001 - what a process has of it
            other = pool.submit(build)
            assert waits.wait(_PATIENCE)
            turn.made("its recipe")
        assert other.result(_PATIENCE) == "its recipe"
    os.close(forked)


def test_files_that_cannot_be_locked_are_told(
    envd_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    wanted = "No locks available. ENVD_MAGIC_HOME can name another folder"
    with pytest.raises(EnvdMagicError, match=wanted), alone("nowhere", pytest.fail):
        pass
    with pytest.raises(EnvdMagicError, match=wanted):
        add_context(Context("there", "moby-worker"), ())
    for path in (envd_home / "cache/building").iterdir():
        path.unlink()


def test_others_are_not_waited_for(holder: subprocess.Popen[str]) -> None:
    with alone("that", pytest.fail):
        pass
    holder.communicate("x\n")


def test_nothing_is_left_where_nobody_builds(envd_home: Path) -> None:
    with alone("left", pytest.fail):
        assert list((envd_home / "cache/building").iterdir())
    assert not list((envd_home / "cache/building").iterdir())


def test_what_a_killed_process_has_left_is_swept_and_what_is_held_or_new_is_not(
    holder: subprocess.Popen[str], envd_home: Path
) -> None:
    [held] = (envd_home / "cache/building").iterdir()
    new = held.with_name("new")
    new.touch()
    os.utime(held, (0, 0))
    sweep()
    assert held.exists()
    holder.kill()
    holder.wait()
    sweep()
    assert not held.exists()
    assert new.exists()
    new.unlink()


class Waiting:
    """Two builds, the first of which does not go on before the second waits for it."""

    def __init__(self, lab: Lab) -> None:
        self.mark = uuid.uuid4().hex
        self.lab = lab
        self.begun = threading.Event()
        self.waits = threading.Event()

    def spec(self, end: str = "true", **fields: str) -> ImageSpec:
        return ImageSpec(name="alike", commands=[f"echo begun-{self.mark}; {end}"], **fields)

    def first(self, spec: ImageSpec, **options: Any) -> BuildResult:
        """Build, and rest where a step has begun until the second waits."""

        def listen(event: object) -> None:
            if f"begun-{self.mark}" in repr(event):
                self.begun.set()
                assert self.waits.wait(_PATIENCE)

        return build_spec(spec, Options(listener=listen, **options))

    def second(self, spec: ImageSpec, **options: Any) -> BuildResult:
        """Build when the first has begun."""
        assert self.begun.wait(_PATIENCE)
        return build_spec(spec, Options(listener=self.hear, **options))

    def hear(self, event: object) -> None:
        if _WAITS in repr(event):
            self.waits.set()


@pytest.fixture
def waiting(lab: Lab) -> Waiting:
    return Waiting(lab)


@pytest.mark.parametrize("force", [False, True])
def test_of_two_threads_one_builds_and_the_other_takes_it(waiting: Waiting, force: bool) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(waiting.first, waiting.spec(), force=force)
        taken = waiting.second(waiting.spec(), force=force)
    assert [first.result().status, taken.status] == ["built", "exists"]
    assert first.result().digest == taken.digest
    assert "another build has made it" in "".join(taken.warnings)
    assert not taken.steps
    # Who comes later and forces it builds it.
    assert waiting.second(waiting.spec(), force=True).status == "built"


def test_of_two_processes_one_builds_and_the_other_takes_it(waiting: Waiting) -> None:
    script = f"""
from flytekit import ImageSpec
from envd_magic import build
def listen(event):
    if "begun-{waiting.mark}" in repr(event):
        print("begun", flush=True)
        input()
print(build(ImageSpec(name="alike", commands={waiting.spec().commands!r}), listener=listen).digest)
"""
    command = [sys.executable, "-c", script]
    with (
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
        ThreadPoolExecutor(1) as pool,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        waiting.begun.set()
        second = pool.submit(waiting.second, waiting.spec(), force=True)
        assert waiting.waits.wait(_PATIENCE)
        said, _ = process.communicate("go on\n")
        assert said.split()[-1:] == [second.result().digest]
    assert second.result().status == "exists"


def test_one_that_fails_gives_nothing_and_the_other_builds_by_itself(waiting: Waiting) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(waiting.first, waiting.spec("exit 3"))
        with pytest.raises(BuildError, match="exit code 3"):
            waiting.second(waiting.spec("exit 3"))
        with pytest.raises(BuildError, match="exit code 3"):
            first.result()


def test_what_is_to_be_pushed_is_not_taken_from_a_build_that_does_not_push(
    waiting: Waiting,
) -> None:
    spec = waiting.spec(registry=waiting.lab.registry)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(waiting.first, spec, push=False)
        second = waiting.second(spec, push=True)
    assert [first.result().status, second.status] == ["built", "built"]
    assert second.pushed


def test_what_is_to_be_built_without_the_cache_is_not_taken(waiting: Waiting) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(waiting.first, waiting.spec())
        second = waiting.second(waiting.spec(), no_cache=True)
    assert second.status == "built"


def test_who_waits_can_be_stopped_and_the_other_builds_on(waiting: Waiting) -> None:
    stop = Stop()

    def hear(event: object) -> None:
        if _WAITS in repr(event):
            stop.ask()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(waiting.first, waiting.spec())
        assert waiting.begun.wait(_PATIENCE)
        with pytest.raises(BuildInterrupted):
            build_spec(waiting.spec(), Options(listener=hear, stop=stop))
        assert not first.done()
        waiting.waits.set()
    assert first.result().status == "built"

"""What :mod:`tests.soak` does at random: each action knows what has to come of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .kernels import kernel
from .processes import MARK, envds, seconds, sleeping, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from random import Random

    from .kernels import Cell, Kernel
    from .own import OwnEngine
    from .users import User

# Seconds that what was ended has to be gone in.
_SOON = 5.0
_PATIENCE = 120.0


@dataclass
class World:
    """Where things are done.

    Parameters
    ----------
    engine
        One that may be killed.
    user
        Whose files and whose image are looked at.
    scratch
        A folder for what the user has not.
    """

    engine: OwnEngine
    user: User
    scratch: Path
    marks: list[str] = field(default_factory=list)
    """Of all that was started, as :func:`~tests.processes.marked` takes them."""

    @contextmanager
    def kernels(self) -> Iterator[None]:
        """Run two kernels: one lives all the time, the other is killed now and then."""
        with kernel(self.user.home) as self.lasting, kernel(self.user.home) as self.other:
            self.marks += [self.lasting.mark, self.other.mark]
            yield

    def cell(self, *commands: str, options: str = "--force", name: str = "") -> str:
        """Write a cell that builds the user's image, or another."""
        named = {"name": name or self.user.name, "tag_format": "v1", "copy": ["data.txt"]}
        words = ", ".join(f"{key}={value!r}" for key, value in named.items())
        return f"%%envd_build {options}\nImageSpec({words}, commands={[*commands]!r})"

    def sleep(self, kernel: Kernel) -> tuple[Cell, str]:
        """Start a build that sleeps, and give its cell and the time, when it does."""
        long, mark = seconds(), uuid.uuid4().hex
        code = self.cell(f"echo at-{mark}-$((6 * 7)); sleep {long}")
        return kernel.start(code).until(f"at-{mark}-42"), long

    def built(self, cell: Cell, token: str) -> None:
        """See that a build has ended well, and that the image has what was asked for."""
        assert cell.error is None, cell.error_text
        image = f"{self.user.name}:v1"
        assert self.engine.docker("run", "--rm", image, "cat", "/token").strip() == token
        found = self.engine.docker("image", "inspect", "-f", "{{.Id}}", image).strip()
        assert found != self.user.good
        self.user.good = found

    def is_as_before(self) -> None:
        """See that files, contexts and the last good image are as before."""
        self.user.has_what_was()

    def gone(self, mark: str, long: str) -> None:
        """See that envd and the step end soon."""
        until(lambda: not envds(mark) and not sleeping(long), _SOON)

    def recover(self) -> None:
        """Make all usable again after a promise was broken."""
        self.engine.start()
        for one in (self.lasting, self.other):
            one.manager.restart_kernel(now=True)
            one.client.wait_for_ready(timeout=_PATIENCE)
            one.run("%load_ext envd_magic")
        inspect = ("image", "inspect", "-f", "{{.Id}}", f"{self.user.name}:v1")
        self.user.good = self.engine.docker(*inspect).strip()
        self.user.state = self.user._state()  # noqa: SLF001


def last_log(kernel: Kernel) -> str:
    """Give the whole log of the last build in a kernel."""
    return kernel.run("%envd log --lines 0").text


def build(world: World, _chance: Random, *, other: bool = False) -> None:
    """Build something new."""
    token = uuid.uuid4().hex
    runs = world.other if other else world.lasting
    cell = runs.run(world.cell(f"echo {token} > /token"), _PATIENCE)
    world.built(cell, token)


def build_again(world: World, chance: Random) -> None:
    """Build the same twice; the second time nothing runs."""
    token = uuid.uuid4().hex
    code = world.cell(f"echo {token} > /token")
    world.built(world.lasting.run(code, _PATIENCE), token)
    again = world.lasting.run(code.replace("--force", ""), _PATIENCE)
    assert "Already there" in again.text, again.text + again.error_text


def build_at_once(world: World, chance: Random) -> None:
    """Build in two kernels at the same time, and several in one of them."""
    token = uuid.uuid4().hex
    names = [f"soak-{number}" for number in range(3)]
    specs = [world.cell(f"echo {token}", name=name).partition("\n")[2] for name in names]
    several = world.other.start(f"%%envd_build --force\n[{', '.join(specs)}]")
    world.built(world.lasting.run(world.cell(f"echo {token} > /token"), _PATIENCE), token)
    several.finish(_PATIENCE)
    assert several.error is None, several.error_text


def build_behind(world: World, chance: Random) -> None:
    """Build in the background."""
    token = uuid.uuid4().hex
    code = world.cell(f"echo {token} > /token", options="--force --background")
    started = world.lasting.run(code)
    assert started.error is None, started.error_text
    world.built(world.lasting.run("%envd wait", _PATIENCE), token)


def cancel(world: World, chance: Random) -> None:
    """Interrupt at any time, once or twice."""
    long = seconds()
    cell = world.lasting.start(world.cell(f"sleep {long}")).until(world.user.name)
    time.sleep(chance.uniform(0, 1.5))
    for _ in range(chance.choice((1, 2))):
        world.lasting.manager.interrupt_kernel()
    cell.finish(_PATIENCE)
    assert cell.error == "BuildInterrupted", f"{cell.error}: {cell.error_text}"
    world.gone(world.lasting.mark, long)


def cancel_behind(world: World, chance: Random) -> None:
    """Cancel a build in the background."""
    long = seconds()
    started = world.lasting.run(world.cell(f"sleep {long}", options="--force --background"))
    assert started.error is None, started.error_text
    until(lambda: sleeping(long))
    cancelled = world.lasting.run("%envd cancel", _PATIENCE)
    assert cancelled.error is None, cancelled.error_text
    world.gone(world.lasting.mark, long)


def command(world: World, chance: Random) -> None:
    """Stop the command line, or kill it."""
    long, mark = seconds(), uuid.uuid4().hex
    place = world.scratch / "command"
    place.mkdir(exist_ok=True)
    (place / "data.txt").write_text("mine")
    spec = world.cell(f"echo $((6 * 7)); sleep {long}").partition("\n")[2]
    (place / "flow.py").write_text(f"from flytekit import ImageSpec\nspec = {spec}\n")
    words = [sys.executable, "-m", "envd_magic", "build", "--force", "flow.py"]
    environment = {**os.environ, MARK: mark}
    world.marks.append(f"{MARK}={mark}")
    quiet = subprocess.DEVNULL
    running = subprocess.Popen(words, cwd=place, env=environment, stdout=quiet, stderr=quiet)
    until(lambda: sleeping(long) or running.poll() is not None, _PATIENCE)
    number = chance.choice((signal.SIGINT, signal.SIGKILL))
    running.send_signal(number)
    assert running.wait(_PATIENCE) == (130 if number == signal.SIGINT else -number)
    world.gone(f"{MARK}={mark}", long)


def fail(world: World, chance: Random) -> None:
    """Let a command fail."""
    cell = world.lasting.run(world.cell("echo $((6 * 7)); exit 3"), _PATIENCE)
    assert cell.error == "BuildError", cell.error_text
    assert "failed with exit code 3" in cell.error_text
    assert " 42\n" in last_log(world.lasting)


def kill_envd(world: World, chance: Random) -> None:
    """Kill envd."""
    cell, long = world.sleep(world.lasting)
    for pid in envds(world.lasting.mark):
        os.kill(pid, signal.SIGKILL)
    cell.finish(_PATIENCE)
    assert cell.error == "BuildError", cell.error_text
    assert "ended from outside (signal 9" in cell.error_text
    assert "-42\n" in last_log(world.lasting)
    world.gone(world.lasting.mark, long)


def end_kernel(world: World, chance: Random) -> None:
    """Restart the other kernel in a build, gracefully or not."""
    _, long = world.sleep(world.other)
    world.other.manager.restart_kernel(now=chance.random() < 0.7)
    world.gone(world.other.mark, long)
    world.other.client.wait_for_ready(timeout=_PATIENCE)
    assert world.other.run("%load_ext envd_magic").error is None
    build(world, chance, other=True)


def end_engine(world: World, chance: Random) -> None:
    """Kill the engine in a build, and start it again."""
    cell, _ = world.sleep(world.lasting)
    try:
        world.engine.kill()
        cell.finish(_PATIENCE)
    finally:
        world.engine.start()
    assert cell.error in ("BuildError", "EngineError"), cell.error_text
    assert "the Docker engine" in cell.error_text
    assert "-42\n" in last_log(world.lasting)


def fill(world: World, chance: Random) -> None:
    """Fill the engine's disk."""
    much = f"echo $((6 * 7)); head -c {2 << 30} /dev/zero > /big"
    cell = world.lasting.run(world.cell(much), _PATIENCE)
    assert cell.error == "BuildError", cell.error_text
    assert "the engine's disk is full" in cell.error_text, cell.error_text
    assert "No space left on device" in cell.text
    assert " 42\n" in last_log(world.lasting)


@dataclass(frozen=True)
class Action:
    """Something that is done at random.

    Parameters
    ----------
    kind
        What it counts as: "build", "cancel" or "fault".
    weight
        How often it is done, beside the others.
    do
        Does it; raises where something is not as it should be.
    """

    kind: str
    weight: int
    do: Callable[[World, Random], None]


ACTIONS = {
    "build": Action("build", 4, build),
    "build in the other kernel": Action("build", 2, lambda w, c: build(w, c, other=True)),
    "build again": Action("build", 2, build_again),
    "build at once": Action("build", 2, build_at_once),
    "build in the background": Action("build", 2, build_behind),
    "cancel": Action("cancel", 6, cancel),
    "cancel in the background": Action("cancel", 2, cancel_behind),
    "stop the command": Action("cancel", 2, command),
    "a command fails": Action("fault", 2, fail),
    "envd is killed": Action("fault", 3, kill_envd),
    "the kernel ends": Action("fault", 3, end_kernel),
    "the engine is killed": Action("fault", 1, end_engine),
    "the disk is full": Action("fault", 1, fill),
}

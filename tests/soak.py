"""``make soak``: builds, cancels and faults at random for some minutes, and figures at the end.

``MINUTES=1 SEED=7 make soak`` does less, and the same again. It has an engine of its own, which it
kills and fills, and ends with 1 where something that is promised was broken.
"""

from __future__ import annotations

import os
import random
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from . import lab
from .own import own_engine
from .processes import marked, until
from .soak_actions import ACTIONS, World
from .users import User

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .kernels import Kernel

_MINUTES = 10.0
# Megabytes of the engine's disk, which is filled now and then.
_DISK = 1200
# Rounds after which memory counts: until then, modules are imported and caches filled.
_WARM = 8
# Megabytes that the kernel which lives all the time may grow by.
_GROWTH = 40
_FOLDERS = ("TMPDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_DATA_DIR", "ENVD_MAGIC_HOME")


@dataclass
class Figures:
    """What came of a soak."""

    done: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)
    told: int = 0
    memory: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """Megabytes by which the memory of the kernel has grown since it was warm."""
        counted = self.memory[_WARM:] or self.memory[-1:] or [0]
        return counted[-1] - counted[0]


def main() -> int:
    """Soak, and print what came of it."""
    minutes = float(os.environ.get("MINUTES") or _MINUTES)
    seed = int(os.environ.get("SEED") or secrets.randbelow(10**6))
    print(f"seed {seed}, {minutes:g} minutes", flush=True)
    running = lab.up()
    try:
        with _surroundings(running.base_image) as world:
            figures = _soak(world, minutes, seed)
    finally:
        if running.started:
            running.down()
    return _report(figures, seed)


@contextmanager
def _surroundings(base: str) -> Iterator[World]:
    """Make an engine, a home and folders that are there for this alone."""
    scratch = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        with own_engine(base, disk=_DISK) as engine, pytest.MonkeyPatch.context() as patch:
            for name in _FOLDERS:
                folder = scratch / name.lower()
                folder.mkdir()
                patch.setenv(name, str(folder))
            home = scratch / "home"
            home.mkdir()
            patch.setenv("HOME", str(home))
            patch.chdir(home)
            beside = str(Path(sys.executable).parent)
            patch.setenv("PATH", f"{beside}{os.pathsep}{os.environ['PATH']}")
            patch.setenv("DOCKER_HOST", engine.host)
            patch.setenv("FLYTE_INTERNAL_IMAGE", base)
            yield World(engine, User(home), scratch)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _soak(world: World, minutes: float, seed: int) -> Figures:
    chance = random.Random(seed)  # noqa: S311 - to be done again, not to be secret
    figures = Figures()
    names, weights = zip(*((name, action.weight) for name, action in ACTIONS.items()), strict=True)
    end = time.monotonic() + 60 * minutes
    with world.kernels():
        while time.monotonic() < end:
            [name] = chance.choices(names, weights)
            _round(world, name, chance, figures)
            figures.memory.append(_memory(world.lasting))
        _round(world, "build", chance, figures)
        _round(world, "build in the other kernel", chance, figures)
    figures.left = _left(world)
    return figures


def _round(world: World, name: str, chance: random.Random, figures: Figures) -> None:
    """Do one thing, and look at what is promised whatever is done."""
    action = ACTIONS[name]
    began = time.monotonic()
    try:
        figures.done[action.kind] += 1
        action.do(world, chance)
        figures.told += action.kind == "fault"
        world.is_as_before()
    except Exception as error:  # noqa: BLE001 - counted, and the soak goes on
        place = traceback.extract_tb(error.__traceback__)[-1]
        why = f"{name}: {type(error).__name__} in line {place.lineno} of {place.name}: {error}"
        figures.broken.append(why)
        print(f"BROKEN {why}", flush=True)
        world.recover()
    print(f"  {name:28} {time.monotonic() - began:5.1f} s", flush=True)


def _memory(kernel: Kernel) -> int:
    """Megabytes that a kernel has."""
    code = "print(open('/proc/self/statm').read().split()[1], end='')"
    return int(kernel.run(code).text) * 4096 >> 20


def _left(world: World) -> list[str]:
    """Give processes, folders, files, images and containers that should be gone."""
    found = []
    try:
        until(lambda: not any(marked(mark) for mark in world.marks), 5)
    except AssertionError:
        found += [line for mark in world.marks for line in marked(mark).values()]
    found += [str(path) for path in (world.scratch / "tmpdir").glob("envd_magic*")]
    found += [name for name in world.engine.names() if name.startswith("envd_magic-build:")]
    containers = world.engine.docker("ps", "-a", "--format", "{{.Names}}").split()
    return found + [name for name in containers if name.startswith("envd_magic")]


def _report(figures: Figures, seed: int) -> int:
    done = figures.done
    print(f"builds {done['build']}, cancels {done['cancel']}, faults {done['fault']}")
    print(f"failures told rightly: {figures.told} of {done['fault']}")
    print(f"left over: {len(figures.left)}", *figures.left, sep="\n  ")
    print(f"memory of the kernel: {figures.growth:+} MB in {len(figures.memory)} rounds")
    print(f"promises broken: {len(figures.broken)} (seed {seed})", *figures.broken, sep="\n  ")
    return int(bool(figures.broken or figures.left or figures.growth > _GROWTH))


if __name__ == "__main__":
    sys.exit(main())

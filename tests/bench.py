"""``make bench``: what a build costs beside envd itself, and how soon it ends when it is stopped.

Everything is compared with a bare ``envd build`` of the same folder in the same run, so that the
machine does not count. Nothing here fails; the last column says what is promised.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic import BuildInterrupted
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.events import Output, Phase, PhaseChanged
from envd_magic.pipeline.options import Options

from . import lab
from .fakes import fake_envd
from .stalls import stalled_registry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envd_magic.pipeline.events import Event

_LINES = 200_000
_ROUNDS = 3
#: What an envd writes before it builds.
_FLOODS = {
    "printed": "for n in range(COUNT): print('line', n, 'of the flood')",
    "flushed": "for n in range(COUNT): print('line', n, 'of the flood', flush=True)",
    "a step's": "for n in range(COUNT): out.write(b'#7 12.3 line %d of the flood\\n' % n)",
    "at once": "out.write(b''.join(b'line %d of the flood\\n' % n for n in range(COUNT)))",
    "both pipes": """
for n in range(COUNT):
    pipe = err if n % 100 == 7 else out
    if pipe is err: out.flush()
    pipe.write(b'line %d of \\xff\\xfe\\n' % n)
    if pipe is err: err.flush()
""",
}
# Reads itself through a bare pipe first, then is what the build reads.
_TWICE = """
out, err = sys.stdout.buffer, sys.stderr.buffer
if "BARE" not in os.environ:
    began = time.perf_counter()
    bare = subprocess.Popen(sys.argv, env={{**os.environ, "BARE": "1"}},
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while bare.stdout.read1(1 << 16):
        pass
    bare.wait()
    pathlib.Path({seconds!r}).write_text(str(time.perf_counter() - began))
COUNT = {count}
{flood}
sys.stdout.flush()
real()
"""
_MEMORY = """
import resource, sys
from flytekit import ImageSpec
from envd_magic.plugin import EnvdImageSpecBuilder
EnvdImageSpecBuilder().build_image(ImageSpec(name="bench"))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


@dataclass(frozen=True)
class Pair:
    """Seconds that the same took without us and with us."""

    bare: float
    ours: float

    @property
    def ratio(self) -> float:
        """How many times as long it took."""
        return self.ours / self.bare


def main() -> int:
    """Measure, and print a line each."""
    running = lab.up()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        for name, value in running.env.items():
            patch.setenv(name, value)
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        try:
            for what, found, promised in _measure(Path(folder)):
                print(f"{what:45} {found:>28}   {promised}", flush=True)
        finally:
            if running.started:
                running.down()
    return 0


def _measure(folder: Path) -> Iterator[tuple[str, str, str]]:
    cached = _pairs(folder, "cached", "", ImageSpec(name="bench"))
    extra = statistics.median(pair.ours - pair.bare for pair in cached)
    yield "every step cached", f"envd's time and {extra:.2f} s", "at most 0.5 s more"
    secret = ImageSpec(name="bench", env={f"TOKEN_{n}": f"sesame-{n}-4711" for n in range(3)})
    for spec, secrets in ((ImageSpec(name="bench"), "no secret"), (secret, "3 secrets")):
        for name, flood in _FLOODS.items():
            pairs = _pairs(folder, name, flood, spec)
            ratio = statistics.median(pair.ratio for pair in pairs)
            bare = statistics.median(pair.bare for pair in pairs)
            what = f"{_LINES} lines, {name}, {secrets}"
            yield what, f"{ratio:.2f} times {bare:.2f} s", "at most 1.3 times"
    few, many = _memory(folder, _LINES), _memory(folder, 10 * _LINES)
    yield f"memory at {_LINES} and {10 * _LINES} lines", f"{few} and {many} MB", "flat"
    for what, stop in _STOPS.items():
        seconds, left = stop(folder)
        found = f"{seconds:.2f} s, {left} processes left"
        yield f"stopped in the phase: {what}", found, "under 1 s, none left"


def _pairs(folder: Path, name: str, flood: str, spec: ImageSpec) -> list[Pair]:
    found = []
    place = Path(tempfile.mkdtemp(dir=folder))
    seconds = place / "seconds"
    with pytest.MonkeyPatch.context() as patch:
        program = _TWICE.format(seconds=str(seconds), count=_LINES, flood=flood)
        fake_envd(place, patch, program)
        for _ in range(_ROUNDS + 1):
            began = time.perf_counter()
            _plug_in(spec)
            whole = time.perf_counter() - began
            bare = float(seconds.read_text())
            found.append(Pair(bare, whole - bare))
    # The first one fills caches.
    return found[1:]


def _plug_in(spec: ImageSpec) -> None:
    """Build as flytekit does, every line printed to a file."""
    from contextlib import redirect_stdout

    from envd_magic.plugin import EnvdImageSpecBuilder

    with tempfile.TemporaryFile("w") as file, redirect_stdout(file):
        EnvdImageSpecBuilder().build_image(spec)


def _memory(folder: Path, count: int) -> int:
    """Megabytes at most, of a process that builds under a flood."""
    place = Path(tempfile.mkdtemp(dir=folder))
    with pytest.MonkeyPatch.context() as patch:
        fake_envd(
            place,
            patch,
            _TWICE.format(seconds=os.devnull, count=count, flood=_FLOODS["printed"]),
        )
        patch.setenv("BARE", "1")
        done = subprocess.run(
            [sys.executable, "-c", _MEMORY],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
    return int(done.stderr.split()[-1])


def _stopped(
    spec: ImageSpec, when: Callable[[Event], bool], after: float = 0.2
) -> tuple[float, int]:
    """Seconds from the interrupt, at an event or soon after it, to the end; processes left."""
    asked: list[float] = []

    def interrupt() -> None:
        asked.append(time.perf_counter())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, interrupt)

    def listen(event: Event) -> None:
        if when(event) and timer.ident is None:
            timer.start()

    try:
        build_spec(spec, Options(force=True, listener=listen))
    except BuildInterrupted:
        return time.perf_counter() - asked[0], len(_children())
    timer.cancel()
    return float("nan"), len(_children())


def _children() -> list[int]:
    found = []
    for path in Path("/proc/self/task").glob("*/children"):
        found += [int(child) for child in path.read_text().split()]
    return found


def _at(phase: Phase) -> Callable[[Event], bool]:
    return lambda event: isinstance(event, PhaseChanged) and event.phase is phase


def _in_bootstrap(folder: Path) -> tuple[float, int]:
    place = Path(tempfile.mkdtemp(dir=folder))
    config = place / "registries.json"
    config.write_text('{"registries": [{"name": "localhost", "use_http": true}]}')
    with pytest.MonkeyPatch.context() as patch:
        fake_envd(place, patch, "time.sleep(600)", command="bootstrap")
        spec = ImageSpec(name="bench", registry_config=str(config))
        return _stopped(spec, _at(Phase.BOOTSTRAP))


def _in_build(_: Path) -> tuple[float, int]:
    spec = ImageSpec(name="bench", commands=["echo now at it; sleep 600"])
    return _stopped(spec, lambda event: isinstance(event, Output) and "now at it" in event.text)


def _in_finish(_: Path) -> tuple[float, int]:
    # A new variable gives a new image to finish.
    spec = ImageSpec(name="bench", env={"AT": str(time.time())})
    return _stopped(spec, _at(Phase.FINISH), after=0.02)


def _in_push(_: Path) -> tuple[float, int]:
    with stalled_registry() as registry:
        spec = ImageSpec(name="bench", registry=registry.address)
        return _stopped(spec, _at(Phase.PUSH))


_STOPS = {
    "bootstrap": _in_bootstrap,
    "build": _in_build,
    "finish": _in_finish,
    "push": _in_push,
}

if __name__ == "__main__":
    sys.exit(main())

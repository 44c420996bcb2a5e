"""Many images at once: wall time beside as many bare ``envd build``, memory, threads, growth.

``python -m tests.bench_many`` prints a line each, and ``make bench`` runs it too; ``ROUNDS=1``
measures once. Both sides build the same number at once on a base image that no build has seen, in
turns; the bare side has folders of one name, since envd's cache would miss otherwise.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic.engine.client import Engine
from envd_magic.envd.home import open_home
from envd_magic.envd.program import find_envd
from envd_magic.pipeline.build import prepare

from . import lab
from .fakes import fake_envd

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .lab import Lab

_COUNT, _AT_ONCE = 50, 4
_ROUNDS = int(os.environ.get("ROUNDS") or 3)
_PACKAGES = ("attrs", "six", "tomli")
#: What is promised: our wall time by envd's.
_PROMISED = 1.2
_SIZES = (50, 100, 500)
_RAW = """# syntax=v1

def build():
    base(image="{base}", dev=False)
{install}    run(commands=["echo {number} > /number"])
"""
_INSTALL = "    install.python_packages(name=[{names}])\n"
# The command, and what it takes after flytekit's import, as in a kernel that has it.
_COMMAND = """
import pathlib, sys, time
import flytekit
began = time.perf_counter()
from envd_magic.headless.cli import main
try:
    main(sys.argv[1:])
finally:
    pathlib.Path("seconds").write_text(str(time.perf_counter() - began))
"""
# An envd that takes no time, for a builder that needs no engine.
_NOTHING = """
print("#1 run the commands\\n\\n#1 DONE 0.0s", flush=True)
"""


@dataclass
class Seen:
    """What a run took.

    Parameters
    ----------
    seconds
        Wall time.
    inside
        The same without the command line's start.
    memory
        Megabytes of our process at most.
    threads
        Of our process at most.
    """

    seconds: float
    inside: float = 0.0
    memory: int = 0
    threads: int = 0


def main() -> int:
    """Measure, and print a line each."""
    running = lab.up()
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as name:
        for variable, value in running.env.items():
            patch.setenv(variable, value)
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        try:
            for what, found, promised in _measure(running, Path(name)):
                print(f"{what:45} {found:>62}   {promised}", flush=True)
        finally:
            if running.started:
                running.down()
    return 0


def _measure(running: Lab, folder: Path) -> Iterator[tuple[str, str, str]]:
    for what, packages in (("packages, a command each", _PACKAGES), ("a command each", ())):
        pairs = [_pair(running, folder, packages, number) for number in range(_ROUNDS)]
        ours, bare = (_range([pair[side].seconds for pair in pairs]) for side in (0, 1))
        ratio = statistics.median(one.seconds / two.seconds for one, two in pairs)
        found = f"{ours}, envd {bare}, ratio {ratio:.2f}"
        yield f"{_COUNT} images, {_AT_ONCE} at once: {what}", found, f"at most {_PROMISED}"
        inside = statistics.median(one.inside / two.seconds for one, two in pairs)
        yield "  without the command line's start", f"ratio {inside:.2f}", f"at most {_PROMISED}"
        memory, threads = (max(getattr(one, n) for one, _ in pairs) for n in ("memory", "threads"))
        yield "  our process", f"{memory} MB, {threads} threads", "bounded"
    for count in _SIZES:
        seen = _unbuilt(folder, count)
        each = f"{1000 * seen.seconds / count:.0f} ms each"
        found = f"{each}, {seen.memory} MB, {seen.threads} threads"
        yield f"{count} images, envd takes no time", found, "in line"
    for count in _SIZES:
        yield f"{count} specs prepared", f"{1000 * _prepared(count):.2f} ms each", "in line"


def _range(seconds: Sequence[float]) -> str:
    """Say what runs took: envd alone misses its cache in some, and then takes ten times as long."""
    return f"{statistics.median(seconds):.1f} s ({min(seconds):.1f}-{max(seconds):.1f})"


def _pair(running: Lab, folder: Path, packages: Sequence[str], number: int) -> tuple[Seen, Seen]:
    """Build with us and with envd alone, in turns, each on a base image that is new."""
    sides = (_ours, _bare) if number % 2 == 0 else (_bare, _ours)
    found = {}
    for side in sides:
        mark = uuid.uuid4().hex[:12]
        base = running.derive(f"many-{mark}", [f"RUN echo {mark} > /etc/many"])
        place = Path(tempfile.mkdtemp(dir=folder))
        found[side] = side(running, place, base, packages)
        _tidy(running, base)
    return found[_ours], found[_bare]


def _ours(_: Lab, place: Path, base: str, packages: Sequence[str]) -> Seen:
    names = {"base_image": base, "packages": [*packages]}
    lines = [
        f"many_{n} = ImageSpec(name='many-ours-{n}', commands=['echo {n} > /number'], **{names!r})"
        for n in range(_COUNT)
    ]
    return _command(place, lines, ["--force", "--no-push"])


def _bare(running: Lab, place: Path, base: str, packages: Sequence[str]) -> Seen:
    install = _INSTALL.format(names=", ".join(f'"{name}"' for name in packages))
    program = find_envd()
    home = open_home(program, "default")
    home.trust(running.registry)
    with closing(Engine()) as engine:
        environment = home.environment(engine.environment())
    # Ours alone has it.
    del environment["GOGC"]

    def build(number: int) -> None:
        folder = place / str(number) / "spec"
        folder.mkdir(parents=True)
        text = _RAW.format(base=base, install=install if packages else "", number=number)
        (folder / "build.envd").write_text(text)
        words = ["--path", str(folder), "--tag", f"many-bare-{number}:dev"]
        command = [str(program.path), "build", *words, "--platform", "linux/amd64"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]

    began = time.perf_counter()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(build, range(_COUNT)))
    return Seen(time.perf_counter() - began)


def _command(place: Path, specs: list[str], words: list[str]) -> Seen:
    """Run our command line on a file of specs, and watch its process."""
    text = "\n".join(["from flytekit import ImageSpec", *specs, ""])
    (place / "flow.py").write_text(text)
    command = [sys.executable, "-c", _COMMAND, "build", "-j", str(_AT_ONCE), *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    # As installed: what is compiled stays so.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    seen = Seen(0)
    with (place / "output").open("w+") as output:
        began = time.perf_counter()
        running = subprocess.Popen(
            [*command, "flow.py"], cwd=place, env=environment, stdout=output, stderr=output
        )
        watcher = threading.Thread(target=_watch, args=(running, seen))
        watcher.start()
        code = running.wait()
        seen.seconds = time.perf_counter() - began
        seen.inside = float((place / "seconds").read_text())
        watcher.join()
        output.seek(0)
        assert code == 0, output.read()[-3000:]
    return seen


def _watch(running: subprocess.Popen[bytes], seen: Seen) -> None:
    status = Path(f"/proc/{running.pid}/status")
    while running.poll() is None:
        with suppress(OSError):
            lines = dict(line.split(":\t", 1) for line in status.read_text().splitlines())
            seen.memory = max(seen.memory, int(lines.get("VmHWM", "0").split()[0]) >> 10)
            seen.threads = max(seen.threads, int(lines["Threads"]))
        time.sleep(0.1)


def _unbuilt(folder: Path, count: int) -> Seen:
    """Build with an envd that takes no time, for a builder without an engine."""
    place = Path(tempfile.mkdtemp(dir=folder))
    lines = [
        f"many_{n} = ImageSpec(name='many-{n}', registry='localhost:30000', "
        f"base_image='debian:12', commands=['echo {n}'])"
        for n in range(count)
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENVD_MAGIC_HOME", str(place / "kept"))
        patch.setenv("HOME", str(place))
        fake_envd(place, patch, _NOTHING)
        # The first one makes envd's home.
        _command(place, lines[:1], [])
        return _command(place, lines, [])


def _prepared(count: int) -> float:
    """Seconds that a spec takes until all is known that envd is to be told."""
    specs = [
        ImageSpec(
            name=f"many-{n}", base_image="debian:12", packages=["attrs"], commands=[f"echo {n}"]
        )
        for n in range(count)
    ]
    prepare(specs[0]).close()
    began = time.perf_counter()
    for spec in specs:
        prepare(spec).close()
    return (time.perf_counter() - began) / count


def _tidy(running: Lab, base: str) -> None:
    """Remove the images that were made."""
    names = running.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
    made = [name for name in names if name.startswith(("many-ours-", "many-bare-"))]
    subprocess.run(
        ["docker", "-H", running.docker_host, "rmi", "-f", *made, base],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(main())

"""What is installed beside what: seen by Python or not, compiled, and rid of uv's traces.

A part of the installer.
"""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from envd_magic.recipe.installer.options import Environment

# What cannot be compiled is for a Python of another age, or a template.
COMPILE = """
import py_compile, sys
for path in filter(None, sys.stdin.buffer.read().decode("utf-8").split("\\0")):
    try:
        py_compile.compile(path, doraise=True)
    except (py_compile.PyCompileError, OSError):
        pass
"""


def normal(name: str) -> str:
    """Give a name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def hidden_packages(uv: str, environment: Environment) -> dict[str, str]:
    """Find packages that Python sees and uv does not (Debian's own): versions by name."""
    run = [uv, "pip", "list", "--python", sys.executable, "--format", "json", "--no-config", "-q"]
    done = subprocess.run(run, env=environment, stdout=subprocess.PIPE, check=True)
    seen = {normal(item["name"]) for item in json.loads(done.stdout)}
    found = {item.metadata["Name"]: item.version for item in metadata.distributions()}
    return {name: v for name, v in found.items() if name and normal(name) not in seen}


def records() -> set[tuple[Path, int]]:
    """Find the lists of files that are installed with each package, and when they were written."""
    found = [path for folder in sys.path for path in Path(folder).glob("*.dist-info/RECORD")]
    return {(path, path.stat().st_mtime_ns) for path in found}


def compilers(installed: list[Path], work: Path) -> list[subprocess.Popen[bytes]]:
    """Start compiling what was installed, tests left out: no task imports those of its packages.

    uv has no such choice, and looks at all that is installed each time.
    """
    files = []
    for record in installed:
        with record.open(encoding="utf-8", newline="") as lines:
            names = [Path(row[0]) for row in csv.reader(lines) if row]
        named = [name for name in names if name.suffix == ".py" and "tests" not in name.parts]
        files += [path for path in (record.parent.parent / name for name in named) if path.exists()]
    # The largest first, so that all end at the same time.
    files.sort(key=lambda path: path.stat().st_size, reverse=True)
    count = len(os.sched_getaffinity(0))
    run = [sys.executable, "-ISW", "ignore", "-c", COMPILE]
    found = []
    for number in range(count):
        share = work / f"compile-{number}"
        share.write_text("\0".join(map(str, files[number::count])), encoding="utf-8")
        with share.open("rb") as file:
            found.append(subprocess.Popen(run, stdin=file))
    return found


def tidy(record: Path, names: list[str | None]) -> None:
    """Take away what uv notes for itself, and its mark of what was asked for by name.

    uv sets that mark on all, pip on what was named.
    """
    extra = ["uv_cache.json", "uv_build.json"]
    name = record.parent.name.partition("-")[0]
    if None not in names and normal(name) not in [normal(asked or "") for asked in names]:
        extra.append("REQUESTED")
    gone = [file for file in extra if (record.parent / file).exists()]
    for file in gone:
        (record.parent / file).unlink()
    if gone:
        lines = record.read_text(encoding="utf-8").splitlines(keepends=True)
        starts = tuple(f"{record.parent.name}/{file}," for file in gone)
        kept = [line for line in lines if not line.startswith(starts)]
        record.write_text("".join(kept), encoding="utf-8")

"""``make compare``: this project, flytekitplugins-envd and envd itself, in one run.

Same specs, same engine, same envd, taken in turns, so that what else the machine does meets all of
them. Writes bench.json, from which :mod:`tests.bench_report` makes the table in the README.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .bench_kernels import flood, load
from .bench_report import RESULTS, failures, text_table
from .bench_sides import SIDES, bench, index
from .lab.process import run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .bench_sides import Bench

_PACKAGES = ["pandas", "scikit-learn", "matplotlib", "flytekit", "pyarrow"]
_ADDED = ["tabulate", "humanize", "toolz", "termcolor", "wcwidth"]
_IMPORT = (
    "import time; began = time.perf_counter()\n"
    "import pandas, sklearn, matplotlib.pyplot, flytekit, pyarrow\n"
    "print(time.perf_counter() - began)"
)
_DATA = "data.txt"
# "Ten of ten": none of them may take longer than bench_report says.
_OURS_UNCHANGED = 10


@dataclass(frozen=True)
class Rounds:
    """How often each is done; the other two sides take minutes for what takes ours a second."""

    cold: int = 3
    unchanged: int = 3
    edits: int = 2
    imports: int = 11
    kernels: int = 3


_QUICK = Rounds(cold=1, unchanged=2, edits=1, imports=3, kernels=1)


@dataclass
class Figures:
    """What was measured: row to side to numbers."""

    rows: dict[str, dict[str, list[float]]] = field(default_factory=dict)

    def add(self, row: str, side: str, *values: float) -> None:
        """Note figures."""
        self.rows.setdefault(row, {}).setdefault(side, []).extend(values)
        told = " ".join(f"{value:.2f}" for value in values)
        print(f"  {row:24} {side:10} {told}", flush=True)


class Compare:
    """The comparison, part by part."""

    def __init__(self, made: Bench, rounds: Rounds) -> None:
        self.made = made
        self.rounds = rounds
        self.figures = Figures()
        self.images: dict[str, str] = {}
        self.spec: dict[str, Any] = {}
        self._data = made.folder / _DATA

    def run(self) -> None:
        """Measure everything."""
        self._data.write_text("0\n")
        for side in SIDES:
            # The engine's and each home's own first time.
            self.made.build(side, {"base_image": self.made.lab.base_image, "commands": ["true"]})
        for number in range(self.rounds.cold):
            if self.images:
                self.made.tidy(*self.images.values())
            self._cold(number)
        self._imports()
        self._unchanged()
        for number in range(self.rounds.edits):
            self.spec = {**self.spec, "commands": [f"echo {number} > /changed"]}
            self._each(number, "command")
        for number in range(self.rounds.edits):
            self._data.write_text(f"changed {number}\n")
            self._each(number, "file")
        for number in range(self.rounds.edits):
            self._package(number)
        self._looks()
        self._kernels()

    def _kernels(self) -> None:
        for number in range(self.rounds.kernels):
            for side in _turn(number, "ours", "reference"):
                self.figures.add("load", side, load(self.made, side))
        for side in ("ours", "reference"):
            for row, value in flood(self.made, side).items():
                self.figures.add(row, side, value)

    def _cold(self, number: int) -> None:
        self.spec = {
            "base_image": self.made.base(),
            "packages": _PACKAGES,
            "copy": [_DATA],
            "commands": ["echo begun > /changed"],
            **index(),
        }
        for side in _turn(number, *SIDES):
            found = self._build("cold", side)
            self.images[side] = found["image"]
            self.figures.add("first_line", side, found["first"])

    def _build(self, row: str, side: str, **how: Any) -> dict[str, Any]:
        found = self.made.build(side, self.spec, **how)
        self.figures.add(row, side, found["seconds"])
        self.figures.add(f"{row}_installed", side, float(self.made.installed_again()))
        return found

    def _imports(self) -> None:
        # Each in a fresh container; the first fills the machine's own cache of files.
        for number in range(self.rounds.imports + 1):
            for side in _turn(number, *SIDES):
                told = self.made.lab.run(self.images[side], "python", "-c", _IMPORT)
                if number:
                    self.figures.add("import", side, float(told))

    def _unchanged(self) -> None:
        for number in range(self.rounds.unchanged):
            self._each(number, "unchanged", force=True)
            for side in ("ours", "reference"):
                self._build("unchanged_unforced", side)
        for _ in range(self.rounds.unchanged, _OURS_UNCHANGED):
            self._build("unchanged", "ours", force=True)

    def _each(self, number: int, row: str, **how: Any) -> None:
        for side in _turn(number, *SIDES):
            self._build(row, side, **how)

    def _package(self, number: int) -> None:
        self.spec = {**self.spec, "packages": [*self.spec["packages"], _ADDED[number]]}
        self._build("package_incremental", "ours", incremental=True)
        # The clean build that follows is what the next increment is added to.
        self._each(number, "package", force=True)

    def _looks(self) -> None:
        for side in ("ours", "reference"):
            found = self.made.ask(side, "look", self.spec, look="preview")
            self.figures.add("preview", side, *found["seconds"])
        for look in ("plan", "verify"):
            found = self.made.ask("ours", "look", self.spec, look=look)
            if found["seconds"]:
                self.figures.add(look, "ours", *found["seconds"])
        self.figures.add("plan", "raw", *(self.made.llb() for _ in range(5)))


def _turn(number: int, *sides: str) -> Iterator[str]:
    """Give the sides in an order of the round: none is always first."""
    first = number % len(sides)
    yield from sides[first:] + sides[:first]


def machine(made: Bench) -> dict[str, str]:
    """Tell what it was measured on and with."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 30
    processor = ""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            processor = line.partition(": ")[2]
    names = "import importlib.metadata as m; print(m.version('flytekitplugins-envd'))"
    return {
        "processors": f"{os.cpu_count()} x {processor}",
        "memory": f"{memory} GiB",
        "system": platform.freedesktop_os_release()["PRETTY_NAME"],
        "docker": made.lab.docker("version", "-f", "{{.Server.Version}}").strip(),
        "envd": metadata.version("envd"),
        "flytekit": metadata.version("flytekit"),
        "flytekitplugins-envd": run(str(made.reference), "-c", names).strip(),
        "python": platform.python_version(),
    }


def main() -> int:
    """Measure, write bench.json, print the table; 1 if a ratio is not kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few repeats")
    parser.add_argument("--output", type=Path, default=RESULTS, help="where the figures go")
    chosen = parser.parse_args()
    with bench() as made:
        load_before = os.getloadavg()[0]
        compared = Compare(made, _QUICK if chosen.quick else Rounds())
        try:
            compared.run()
        finally:
            results = {
                "machine": machine(made),
                "load": round(load_before, 2),
                "quick": chosen.quick,
                "rows": compared.figures.rows,
            }
            chosen.output.write_text(json.dumps(results, indent=1) + "\n")
    print(text_table(results))
    missed = failures(results)
    print("\n".join(missed) or "every ratio is kept")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())

"""An envd that builds for as long as a test wants, in place of the real one; no engine is needed.

The spec names the Flyte sandbox's registry, whose builder is reached by envd alone, and a gate: a
file that does not exist yet. The build goes on when the test writes into it how it is to end.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from .fakes import fake_envd

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FLOOD = r"""
print("#1 run the commands\n", flush=True)
for number in range(200_000):
    sys.stdout.write(f"#1 0.1 line {number} of the flood {'.' * 250}\n")
print("#1 0.2 the last line", flush=True)
if "fail" in (pathlib.Path(words[words.index("--path") + 1]) / "build.envd").read_text():
    print("#1 ERROR: exit code: 3", flush=True)
    sys.exit(1)
print("#1 DONE 0.2s", flush=True)
"""
_BUILD = r"""
import re
folder = pathlib.Path(words[words.index("--path") + 1])
gate = pathlib.Path(re.search(r'"GATE": "([^"]+)"', (folder / "build.envd").read_text())[1])
print("#1 run the commands\n", flush=True)
for file in sorted(folder.glob("copy/root/*.txt")):
    print(f"#1 0.1 {file.name}: {file.read_text()}")
print(f"#1 0.1 at the gate {gate.name}", flush=True)
new = gate.with_suffix(".new-pid")
new.write_text(str(os.getpid()))
new.rename(gate.with_suffix(".pid"))
while not gate.exists():
    time.sleep(0.02)
end = gate.read_text()
if end == "fail":
    print("#1 0.2 gone wrong")
    print("#1 ERROR: exit code: 3", flush=True)
    sys.stderr.write('time="x" level=fatal msg=exit error="failed to solve: exit code: 3"\n')
    sys.exit(1)
print("#1 DONE 0.2s", flush=True)
"""


class Gates:
    """The gates of a module's builds, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def spec(self, name: str, more: str = "") -> str:
        """Write a spec that builds until its gate is opened."""
        return far(name, f", env={{'GATE': {str(self.folder / name)!r}}}{more}")

    def open(self, name: str, end: str = "good") -> None:
        """Let a build end: "good" or "fail"."""
        new = self.folder / f"{name}.new"
        new.write_text(end)
        new.rename(self.folder / name)

    def open_all(self) -> None:
        """Let all builds end that are at their gates still."""
        for begun in self.folder.glob("*.pid"):
            if not begun.with_suffix("").exists():
                self.open(begun.stem)

    def pid(self, name: str) -> int:
        """Give the process that builds."""
        return int((self.folder / f"{name}.pid").read_text())


def far(name: str, more: str = "") -> str:
    """Write a spec whose builder is reached by envd alone."""
    return f"ImageSpec(name={name!r}, registry='localhost:30000', base_image='debian:12'{more})"


@contextmanager
def gates(folder: Path, home: Path, program: str = _BUILD) -> Iterator[Gates]:
    """Put the envd first on PATH, for the programs that are started meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))
        patch.setenv("ENVD_MAGIC_HOME", str(home))
        patch.setenv("DOCKER_HOST", f"unix://{folder}/none.sock")
        fake_envd(folder, patch, program)
        made = Gates(folder)
        try:
            yield made
        finally:
            # What a test that failed left at its gate ends.
            made.open_all()

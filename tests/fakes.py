"""A program named envd in place of the real one, for what a real one cannot be made to do."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

_HEAD = """#!{python}
import json, os, pathlib, signal, subprocess, sys, time
words = sys.argv[1:]
with open({calls!r}, "a") as file:
    file.write(json.dumps(words) + "\\n")
def real():
    os.execv({envd!r}, [{envd!r}, *words])
if words[0] != {command!r}:
    real()
"""


def fake_envd(
    folder: Path, monkeypatch: pytest.MonkeyPatch, program: str, command: str = "build"
) -> Path:
    """Put an envd first on PATH that runs `program` for `envd build`.

    Parameters
    ----------
    folder
        Where it goes.
    monkeypatch
        Sets PATH.
    program
        Python; `real()` goes on as the real envd.
    command
        Another command of envd's that it is run for.

    Returns
    -------
    Path
        A file with the arguments of every call, one JSON list a line.
    """
    envd = shutil.which("envd") or shutil.which("envd", path=str(Path(sys.executable).parent))
    assert envd is not None
    calls = folder / "calls.jsonl"
    place = folder / "bin"
    place.mkdir()
    script = place / "envd"
    head = _HEAD.format(python=sys.executable, calls=str(calls), envd=envd, command=command)
    script.write_text(head + program)
    script.chmod(0o755)
    import os

    monkeypatch.setenv("PATH", f"{place}{os.pathsep}{os.environ['PATH']}")
    return calls

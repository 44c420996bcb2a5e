"""The envd program: where it is and whether it will do."""

from __future__ import annotations

import functools
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from packaging.version import InvalidVersion, Version

from envd_magic.errors import EnvdNotFoundError, EnvdVersionError

# Before 1.0 the rules of `# syntax=v1` differ; before 0.3.39 flytekit refuses it.
OLDEST = Version("1.0")


@dataclass(frozen=True)
class Program:
    """An envd program.

    Parameters
    ----------
    path
        Absolute.
    version
        As it says itself.
    """

    path: Path
    version: str


def find_envd() -> Program:
    """Find envd on PATH, or beside the interpreter.

    Raises
    ------
    EnvdNotFoundError
        If there is none.
    EnvdVersionError
        If it is too old.
    """
    found = shutil.which("envd") or shutil.which("envd", path=str(Path(sys.executable).parent))
    if found is None:
        raise EnvdNotFoundError(
            "There is no envd program on PATH or beside the interpreter. "
            f"Install it with: {sys.executable} -m pip install envd"
        )
    path = Path(found).absolute()
    stat = path.stat()
    version = _version(path, stat.st_mtime_ns, stat.st_size)
    try:
        too_old = Version(version) < OLDEST
    except InvalidVersion:
        # A build of a developer's own ("v0.0.0+unknown-dirty"): they know what they do.
        too_old = False
    if too_old:
        raise EnvdVersionError(
            f"{path} is envd {version}; {OLDEST} or later is needed. "
            f"Update it with: {sys.executable} -m pip install --upgrade envd"
        )
    return Program(path, version)


@functools.lru_cache
def _version(path: Path, _mtime: int, _size: int) -> str:
    if path.parent == Path(sys.executable).parent:
        # The wheel's own script: its metadata tells without starting a process.
        with suppress(importlib.metadata.PackageNotFoundError):
            return importlib.metadata.version("envd")
    # In a home of its own, since every envd command leaves files in the one that it gets.
    with tempfile.TemporaryDirectory() as home:
        try:
            done = subprocess.run(
                [str(path), "version"],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=30,
                check=False,
                stdin=subprocess.DEVNULL,
                env={**os.environ, "HOME": home, "ENVD_ANALYTICS": "false"},
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EnvdNotFoundError(f"{path} cannot be run: {error}") from error
    match = re.search(r"^envd: v?(\S+)", done.stdout, re.MULTILINE)
    return match[1] if match else "unknown"

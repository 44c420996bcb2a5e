"""Processes that somebody has started, also when that one is no more."""

from __future__ import annotations

import subprocess
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

#: A variable that tells whose a process is.
MARK = "ENVD_MAGIC_TEST_MARK"


def marked(mark: str) -> dict[int, str]:
    """Give the command lines of processes that were started with a mark, by their numbers.

    Parameters
    ----------
    mark
        As "NAME=value" in their environment.
    """
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        # One may end while it is looked at.
        with suppress(OSError):
            if f"{mark}\0".encode() in process.joinpath("environ").read_bytes():
                line = process.joinpath("cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(process.name)] = line
    return {pid: line for pid, line in found.items() if line}


def envds(mark: str) -> list[int]:
    """Give the processes of envd that build, without the shells that watch over them."""
    found = marked(mark)
    return [pid for pid, line in found.items() if "envd build" in line and "/sh" not in line]


def seconds() -> str:
    """Give a time to sleep that nobody else sleeps, so that a sleeper in the engine is found."""
    return str(10**8 + uuid.uuid4().int % 10**8)


def sleeping(time_to_sleep: str) -> bool:
    """Does anybody on this machine, containers too, sleep for such a time?"""
    words = ["pgrep", "-f", f"sleep {time_to_sleep}"]
    return subprocess.run(words, capture_output=True).returncode == 0


def until(done: Callable[[], bool], patience: float = 30) -> float:
    """Wait for something and give the seconds that it took; a test fails where it does not come."""
    began = time.monotonic()
    while not done():
        assert time.monotonic() - began < patience, "it did not come"
        time.sleep(0.02)
    return time.monotonic() - began

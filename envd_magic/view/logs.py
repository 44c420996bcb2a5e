"""Logs of builds, as they are shown: the last lines of a file that may be large."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from envd_magic.view.lines import plain, tidy

if TYPE_CHECKING:
    from pathlib import Path


def last_lines(path: Path, most: int) -> tuple[str, int]:
    """Give the last lines of a log, and how many there are before them.

    Parameters
    ----------
    path
        Of the log.
    most
        How many to give; 0 for all.
    """
    kept: deque[str] = deque(maxlen=most or None)
    count = 0
    with path.open(encoding="utf-8", errors="backslashreplace", newline="\n") as file:
        for line in file:
            kept.append(line)
            count += 1
    return "".join(f"{plain(tidy(line.removesuffix(chr(10))))}\n" for line in kept), count - len(
        kept
    )

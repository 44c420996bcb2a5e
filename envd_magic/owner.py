"""Whose a thing is that should not outlive its process: names that tell, and who is no more."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import secrets as random_names
import socket
from pathlib import Path


def private_name() -> str:
    """Give a part of a name that tells of this machine, this process and this time."""
    return f"{_machine()}-{os.getpid()}-{random_names.token_hex(6)}"


def is_abandoned(name: str) -> bool:
    """Does a name hold a :func:`private_name` of a process of this machine that is no more?

    Another machine may use the same engine or folder: its processes cannot be seen from here.
    """
    found = re.search(rf"(?<![0-9a-f]){_machine()}-(\d+)-[0-9a-f]{{12}}(?![0-9a-f])", name)
    return found is not None and not _runs(int(found[1]))


@functools.cache
def _machine() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # A killed process stays in the table until its parent asks for it.
    status = Path(f"/proc/{process}/stat")
    try:
        return status.read_text("utf-8", "replace").rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return not Path("/proc/self").exists()

"""The machine that the lab stands on: its packages, its mounts, the lab's folder and lock."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from .process import LabError, run, which

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

log = logging.getLogger("tests.lab")

#: Names the lab's folder, in place of the default.
STATE_VARIABLE = "ENVD_MAGIC_LAB"
#: Debian's package of each program that the lab may need.
PACKAGES = {
    "chromium": "chromium",
    "debootstrap": "debootstrap",
    "docker": "docker.io",
    "docker-registry": "docker-registry",
    "dockerd": "docker.io",
    "ip": "iproute2",
    "iptables": "iptables",
    "openssl": "openssl",
    "sshd": "openssh-server",
}
_LOCK = "lab.lock"
# As it is at the start: tests put others in its place.
_HOME = Path.home()
_POLICY = Path("/usr/sbin/policy-rc.d")


def state_folder() -> Path:
    """Folder of all that the lab keeps."""
    named = os.environ.get(STATE_VARIABLE)
    return Path(named).absolute() if named else _HOME / ".cache" / "envd_magic_lab"


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Make the lab's folder and keep other processes from changing it.

    Parameters
    ----------
    state
        The folder. One with other things in it is refused: ``reset`` deletes it whole.
    """
    while True:
        handle = _open_lock(state)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is_current(handle, state):
                yield
                return
        finally:
            os.close(handle)


def delete_state(state: Path) -> None:
    """Delete the lab's folder. The caller holds the lock."""
    for entry in state.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()
    # The last, so that nobody can begin anew while things are still deleted.
    (state / _LOCK).unlink()
    with suppress(OSError):  # somebody has begun anew in it
        state.rmdir()


def need(programs: Iterable[str]) -> None:
    """Install the programs that are missing."""
    programs = list(programs)
    if all(map(which, programs)):
        return
    # Two at once would disturb each other: apt waits for nobody.
    with (Path(tempfile.gettempdir()) / "envd_magic_lab_packages.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        _install([program for program in programs if which(program) is None])


def _install(missing: list[str]) -> None:
    if not missing:
        return
    packages = sorted({PACKAGES[program] for program in missing})
    if os.geteuid() != 0 or which("apt-get") is None:
        raise LabError(f"needs {', '.join(packages)} (on Debian as root they would be installed)")
    log.info("installing %s", ", ".join(packages))
    with _no_services():
        apt = {"DEBIAN_FRONTEND": "noninteractive"}
        install = ("apt-get", "install", "-y", "-q", "--no-install-recommends", *packages)
        try:
            run(*install, env=apt)
        except LabError:
            # No package lists, or lists older than the mirror's packages.
            run("apt-get", "update", "-q", env=apt)
            run(*install, env=apt)
    still = [program for program in missing if which(program) is None]
    if still:
        raise LabError(f"{', '.join(packages)}: installed, but without {', '.join(still)}")


def unmount_below(folder: Path) -> None:
    """Unmount what is mounted in a folder, the innermost first."""
    table = Path("/proc/self/mountinfo").read_text()
    points = [_unescape(line.split(" ")[4]) for line in table.splitlines()]
    for point in reversed(points):
        if Path(point).is_relative_to(folder.resolve()):
            run("umount", point)


@contextmanager
def _no_services() -> Iterator[None]:
    """Keep packages from starting their services: the lab starts its own."""
    if _POLICY.exists():
        yield  # the machine has a policy
        return
    _POLICY.write_text("#!/bin/sh\nexit 101\n")
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        _POLICY.unlink(missing_ok=True)


def _open_lock(state: Path) -> int:
    while True:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Another process may delete the folder at any line.
        with suppress(FileNotFoundError):
            found = list(state.iterdir())
            if found and state / _LOCK not in found:
                raise LabError(f"{state} has other things in it; choose another {STATE_VARIABLE}")
            return os.open(state / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)


def _is_current(handle: int, state: Path) -> bool:
    """Is a lock still the folder's one, or was it deleted by who had it before?"""
    try:
        return os.path.samestat(os.fstat(handle), (state / _LOCK).stat())
    except FileNotFoundError:
        return False


def _unescape(field: str) -> str:
    """Read a path of the mount table, which has blanks and the like in octal."""
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)

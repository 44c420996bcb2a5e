"""Running a program to its end, and keeping one running."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LOG_TAIL = 2_000
# A shell that became root with `su` may have a user's PATH.
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])


class LabError(RuntimeError):
    """The lab could not do what it was asked; the message says why."""


def which(program: str) -> str | None:
    """Where a program is, those of the administrator included."""
    return shutil.which(program, path=_PATH)


def run(
    *argv: str,
    text_in: str | None = None,
    env: Mapping[str, str] | None = None,
    seconds: float = 600,
) -> str:
    """Run a program to its end.

    Parameters
    ----------
    argv
        The program and its arguments.
    text_in
        What it reads from its standard input; nothing if not given.
    env
        Variables beside the ones of this process.
    seconds
        The time that it has.

    Returns
    -------
    str
        What it wrote to its standard output.

    Raises
    ------
    LabError
        It is not there, failed or took too long.
    """
    try:
        done = subprocess.run(
            [which(argv[0]) or argv[0], *argv[1:]],
            input=text_in or "",
            env={**os.environ, "PATH": _PATH, **(env or {})},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{argv[0]}: {error}") from error
    if done.returncode:
        # Some programs (debootstrap, docker build) say on stdout what went wrong.
        said = "\n".join(part.strip() for part in (done.stdout, done.stderr) if part.strip())
        raise LabError(f"{' '.join(argv)}: exit {done.returncode}\n{said[-_LOG_TAIL:]}")
    return done.stdout


def command_line(pid: int) -> list[str]:
    """Arguments that a process was started with; none if it is gone or a zombie."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(part) for part in raw.split(b"\0")[:-1]]


def end(pid: int, is_ours: Callable[[list[str]], bool], grace: float = 30) -> bool:
    """End a process, if it is the one that is meant.

    Parameters
    ----------
    pid
        Its number, which may have come to another process since it was written down.
    is_ours
        Does a process with these arguments belong to the lab?
    grace
        Seconds between asking and killing.

    Returns
    -------
    bool
        It was ours, and has ended.
    """
    try:
        # The descriptor stays with this very process: what is checked is what gets the signal.
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        if not is_ours(command_line(pid)):
            return False
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, 10)):
            signal.pidfd_send_signal(handle, number)
            if select.select([handle], [], [], seconds)[0]:
                return True
    except ProcessLookupError:
        return True
    finally:
        os.close(handle)
        _reap(pid)
    raise LabError(f"process {pid} does not end")


@dataclass(frozen=True)
class Daemon:
    """A process that outlives the one which started it.

    Parameters
    ----------
    name
        Names the record of it (``NAME.json``) and its log (``NAME.log``).
    state
        The folder of both.
    """

    name: str
    state: Path

    @property
    def log(self) -> Path:
        """What it wrote since its last start."""
        return self.state / f"{self.name}.log"

    @property
    def _record(self) -> Path:
        return self.state / f"{self.name}.json"

    def pid(self) -> int | None:
        """Process number while it runs, also when another process started it."""
        pid, argv = self._recorded()
        return pid if pid and command_line(pid) == argv else None

    def start(self, *argv: str) -> None:
        """Start it in a session of its own, so that no Ctrl-C reaches it."""
        program = which(argv[0])
        if program is None:
            raise LabError(f"{argv[0]} is not installed")
        writing = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        # Not a Popen: that one warns about a child which is meant to stay.
        pid = os.posix_spawn(
            program,
            argv,
            {**os.environ, "PATH": _PATH},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(self.log), writing, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._record.write_text(json.dumps({"pid": pid, "argv": argv}))
        _await_program(pid)

    def wait(self, ready: Callable[[], bool], seconds: float = 60) -> None:
        """Wait until it answers; one that does not is ended.

        Parameters
        ----------
        ready
            Asks it.
        seconds
            The time that it has.
        """
        deadline = time.monotonic() + seconds
        while not ready():
            ended = self.pid() is None
            if ended or time.monotonic() > deadline:
                self.stop()
                why = "ended" if ended else f"did not answer in {seconds:.0f} s"
                raise LabError(f"{self.name} {why}; its log ends:\n{self.log_tail()}")
            time.sleep(0.05)

    def stop(self) -> bool:
        """End it, if it still is the process that was started.

        Returns
        -------
        bool
            There was something to end.
        """
        pid, argv = self._recorded()
        stopped = bool(pid) and end(pid, lambda found: found == argv)
        self._record.unlink(missing_ok=True)
        return stopped

    def log_tail(self) -> str:
        """End of its log."""
        try:
            return self.log.read_text(errors="replace")[-_LOG_TAIL:].strip()
        except OSError:
            return "(no log)"

    def _recorded(self) -> tuple[int, list[str]]:
        try:
            record = json.loads(self._record.read_text())
            return int(record["pid"]), list(record["argv"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, []


def _await_program(pid: int) -> None:
    """Wait for a new child's arguments: the kernel fills them in after it has said that it runs."""
    deadline = time.monotonic() + 5
    while not command_line(pid) and time.monotonic() < deadline:
        if os.waitpid(pid, os.WNOHANG)[0]:
            return
        time.sleep(0.001)


def _reap(pid: int) -> None:
    """Take a child's exit status, so that no zombie stays."""
    with suppress(ChildProcessError):  # another process started it
        os.waitpid(pid, os.WNOHANG)

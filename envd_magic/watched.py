"""Processes that end when this one is gone, however suddenly it went."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

# Starts the command, and beside it a watcher that reads a pipe whose other end only we hold: when
# we are gone the pipe ends, and the watcher ends the group.
_SCRIPT = """
exec 3<&0 %s
(
  trap '' INT TERM
  read -r _
  kill -INT 0; sleep 0.5; kill -TERM 0; sleep 0.5; kill -KILL 0
) <&3 >/dev/null 2>&1 &
exec "$@" 3<&-
"""


class Watched:
    """A command in a process group of its own, and who watches over it.

    Parameters
    ----------
    command
        Program, by its path, and arguments.
    reads_its_output
        True lets it read from where it writes to, which is a socket; else it finds nothing to read.
    options
        As ``subprocess.Popen`` takes them.

    Raises
    ------
    OSError
        If it cannot be started.
    """

    def __init__(
        self, command: Sequence[str], *, reads_its_output: bool = False, **options: Any
    ) -> None:
        script = _SCRIPT % ("<&1" if reads_its_output else "</dev/null")
        watched, alive = os.pipe()
        self._alive = os.fdopen(alive, "wb", buffering=0)
        try:
            # A group of its own: the whole of it can be ended, and a terminal's Ctrl-C reaches it
            # through us only.
            self.process: subprocess.Popen[bytes] = subprocess.Popen(
                ["/bin/sh", "-c", script, "envd_magic", *command],
                stdin=watched,
                start_new_session=True,
                **options,
            )
        except BaseException:
            self._alive.close()
            raise
        finally:
            os.close(watched)

    def signal(self, number: int) -> None:
        """Send a signal to all of the group, which outlives its leader as long as one is in it."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def end(self) -> None:
        """End all that is left of the group, the watcher too; it may be called again."""
        self.signal(signal.SIGKILL)
        self.process.wait()
        self._alive.close()


def run(
    command: Sequence[str], *, timeout: float, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end and give what it said, as ``subprocess.run`` does.

    Parameters
    ----------
    command
        Program, by its path, and arguments.
    timeout
        Seconds that it gets.
    options
        As ``subprocess.Popen`` takes them.

    Raises
    ------
    OSError
        If it cannot be started.
    subprocess.TimeoutExpired
        If it has not ended by then; it is ended.
    """
    watched = Watched(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    with watched.process as process:
        try:
            said = process.communicate(timeout=timeout)
        finally:
            watched.end()
    texts = (one.decode("utf-8", "replace") for one in said)
    return subprocess.CompletedProcess(command, process.returncode, *texts)

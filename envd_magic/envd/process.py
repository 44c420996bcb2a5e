"""One command, run in a process group of its own, with its output as it comes."""

from __future__ import annotations

import os
import selectors
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from envd_magic.watched import Watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

# What a pipe of Linux holds at most without privileges, and so what one read can give.
_PIPE = 1 << 20
# A writer that flushes each line wakes a reader as often; a nap lets its lines gather, unless so
# much came that it would have to wait for the reader.
_NAP = 0.005
_MUCH = 1 << 16
# How often a waiting reader looks whether the process has ended while others hold its pipe.
_TICK = 0.2
# Seconds from one signal to the next, harder one; all of them stay under a second.
_PATIENCE = (0.35, 0.3, 0.25)


class Running:
    """A running command; a context manager that leaves no process behind.

    Parameters
    ----------
    command
        Program and arguments.
    environment
        All of it.
    folder
        Working directory.

    Raises
    ------
    OSError
        If the program cannot be started.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        program = shutil.which(command[0], path=environment.get("PATH"))
        if program is None:
            raise FileNotFoundError(f"there is no program {command[0]}")
        self._watched = Watched(
            [program, *command[1:]],
            env=dict(environment),
            cwd=folder,
            stdout=subprocess.PIPE,
            # One pipe for both keeps the lines in order.
            stderr=subprocess.STDOUT,
            bufsize=0,
            pipesize=_PIPE,
        )
        self._process = self._watched.process

    def __enter__(self) -> Running:  # noqa: PYI034 - it has no subclasses
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def chunks(self) -> Iterator[bytes]:
        """Give the output as it comes, to its last byte; b"" where nothing came for a while."""
        pipe = self._process.stdout
        if pipe is None:  # pragma: no cover - PIPE was asked for
            return
        chunk = b""
        with selectors.DefaultSelector() as selector:
            selector.register(pipe, selectors.EVENT_READ)
            while True:
                ready = selector.select(_TICK)
                # Asked before what is ready: what it said before it ended is then in the pipe.
                ended = not ready and self._process.poll() is not None
                if ready or (ended and selector.select(0)):
                    if len(chunk) < _MUCH:
                        time.sleep(_NAP)
                    chunk = os.read(pipe.fileno(), _PIPE)
                    if not chunk:
                        return
                    yield chunk
                elif ended:
                    # It has said all; a child that it left holds the pipe.
                    return
                else:
                    yield b""

    def wait(self) -> int:
        """Give the exit status; negative for the number of a signal."""
        return self._process.wait()

    def end(self) -> None:
        """End the process and all of its group: asked first, made to within a second.

        A second interrupt in the meantime ends it at once.
        """
        try:
            if self._process.poll() is None:
                self._ask()
        finally:
            self._watched.end()
            if self._process.stdout is not None:
                self._process.stdout.close()

    def _ask(self) -> None:
        for number, patience in zip(
            (signal.SIGINT, signal.SIGTERM, signal.SIGKILL), _PATIENCE, strict=True
        ):
            self._watched.signal(number)
            deadline = time.monotonic() + patience
            while time.monotonic() < deadline:
                with suppress(subprocess.TimeoutExpired):
                    self._process.wait(timeout=max(0.0, deadline - time.monotonic()))
                    return

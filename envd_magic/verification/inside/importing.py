"""Importing modules inside an image, each in a process of its own.

A part of the probe, with the same rules. A line that asks for an import is "numpy" or
"numpy,numpy.linalg"; the first name stands for all.
"""

from __future__ import annotations

import os
import sys

# How a process ends that has told of its import.
TOLD = 77
# One write of this size is never mixed with another's (PIPE_BUF).
PIECE = 4000
PAUSE = 0.002
READ = 1 << 16


def fork_importer(limit: float, total: float) -> tuple[int, int]:
    """Start what imports; give where to ask and where it tells."""
    ask_read, ask = os.pipe()
    tell, tell_write = os.pipe()
    if os.fork() == 0:
        try:
            os.close(ask)
            os.close(tell)
            Importer(ask_read, tell_write, limit, total).run()
        finally:
            os._exit(0)
    os.close(ask_read)
    os.close(tell_write)
    return ask, tell


class Importer:
    """Imports what is asked for, some at once, until nobody can ask for more."""

    def __init__(self, ask: int, tell: int, limit: float, total: float) -> None:
        import time

        # What a process has imported on its way need not be imported once more.
        self.seen, self.see = os.pipe()
        for pipe in (ask, self.seen):
            os.set_blocking(pipe, False)
        self.ask, self.tell, self.limit, self.total = ask, tell, limit, total
        self.clock = time.monotonic
        self.pause = time.sleep
        self.end = self.clock() + total
        self.text, self.open = b"", True
        self.waiting: list[str] = []
        self.running: dict[int, tuple[str, float]] = {}

    def run(self) -> None:
        """Do it all."""
        while self.open or self.waiting or self.running:
            if self.open:
                self.hear()
            self.leave_out()
            self.begin()
            for child in list(self.running):
                self.look(child)
            self.pause(PAUSE)

    def hear(self) -> None:
        """Take what is asked for."""
        try:
            piece = os.read(self.ask, READ)
        except BlockingIOError:
            return
        self.open = bool(piece)
        lines = (self.text + piece).split(b"\n")
        self.text = lines.pop()
        self.waiting += [line.decode() for line in lines]

    def leave_out(self) -> None:
        """Forget what another process has imported and told."""
        try:
            told = os.read(self.seen, READ).decode().split("\n")
        except BlockingIOError:
            return
        self.waiting = [line for line in self.waiting if line not in told]

    def begin(self) -> None:
        """Start what there is room for; what there is no time for is told."""
        now = self.clock()
        while self.waiting and (now > self.end or len(self.running) < at_once()):
            line = self.waiting.pop(0)
            if now > self.end:
                say(self.tell, line, "skipped", str(self.total))
                continue
            child = os.fork()
            if child == 0:
                self.load(line)
            self.running[child] = (line, min(now + self.limit, self.end))

    def look(self, child: int) -> None:
        """See whether one has ended, and end one that takes too long."""
        line, last = self.running[child]
        done, status = os.waitpid(child, os.WNOHANG)
        if done and status != TOLD << 8:
            say(self.tell, line, "died", str(status & 0x7F))
        elif not done and self.clock() > last:
            os.kill(child, 9)
            os.waitpid(child, 0)
            say(self.tell, line, "late", str(self.limit))
        elif not done:
            return
        del self.running[child]

    def load(self, line: str) -> None:
        """Import, tell and end: this process is for nothing else."""
        try:
            os.close(self.ask)
            null = os.open(os.devnull, os.O_RDWR)
            for stream in (0, 1, 2):
                os.dup2(null, stream)
            began = self.clock()
            for name in line.split(","):
                load_one(name)
            say(self.tell, line, "ok", "%.2f" % (self.clock() - began))
            for other in self.waiting:
                if all(is_loaded(name) for name in other.split(",")):
                    say(self.tell, other, "with", line.partition(",")[0])
                    os.write(self.see, other.encode() + b"\n")
        except BaseException as error:  # noqa: BLE001 - whatever a module raises, SystemExit too
            kinds = ",".join(kind.__name__ for kind in type(error).__mro__)
            missing = getattr(error, "name", None) if isinstance(error, ImportError) else None
            say(self.tell, line, "failed", " ".join([kinds, missing or "-", str(error)]))
        os._exit(TOLD)


def at_once() -> int:
    """How many processes import at the same time."""
    return max(2, min(8, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 2))


def say(tell: int, line: str, state: str, text: str) -> None:
    """Tell of one import."""
    told = [line.partition(",")[0], state, " ".join(text.split())]
    os.write(tell, "\t".join(told).encode("utf-8", "backslashreplace")[:PIECE] + b"\n")


def load_one(name: str) -> None:
    """Import a module, or what a module has under that name: `from a import b` tells not which."""
    try:
        __import__(name)
    except ImportError as error:
        parent, _, last = name.rpartition(".")
        if error.name != name or not hasattr(sys.modules.get(parent), last):
            raise


def is_loaded(name: str) -> bool:
    """Is a module there, whole and under its own name? One that loads later is of another type."""
    module = sys.modules.get(name)
    spec = getattr(module, "__spec__", None)
    return type(module) is type(sys) and getattr(spec, "name", None) == name

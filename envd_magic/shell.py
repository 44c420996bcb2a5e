"""What importing flytekit does to a shell, and how it is kept from it."""

from __future__ import annotations

import gc
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# rich.traceback.install() puts these into the instance.
_HOOKS = ("_showtraceback", "showtraceback", "showsyntaxerror")
# Seconds that what was interrupted has for its end.
_ENDING = 3.0
# Signals that end a process: a supervisor's, and that of a terminal that is closed.
_LAST = (signal.SIGTERM, signal.SIGHUP)


def import_flytekit(shell: Any) -> None:
    """Import flytekit, and leave the shell as it was.

    The import installs tracebacks of its own, which hide every error from programs that run
    notebooks, and a handler that answers an interrupt with ``exit()``, which a kernel does not
    have. A user who imports flytekit in the notebook before gets what it does.
    """
    if "flytekit" in sys.modules:
        return
    kept = {name: shell.__dict__[name] for name in _HOOKS if name in shell.__dict__}
    hook = sys.excepthook
    with interrupts_raise(), nothing_collected():
        import flytekit  # noqa: F401 - a second, and only when it is needed
    sys.excepthook = hook
    for name in _HOOKS:
        shell.__dict__.pop(name, None)
    shell.__dict__.update(kept)


@contextmanager
def nothing_collected() -> Iterator[None]:
    """Look for no garbage: that takes a fifth of the time of a long import, and finds none."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def is_interrupt(error: SystemExit) -> bool:
    """Is an exit flytekit's answer to an interrupt? It is, while flytekit is being imported."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        # flytekit.core.context_manager.FlyteContextManager.initialize
        if code.co_name == "main_signal_handler" and "flytekit" in code.co_filename:
            return True
        trace = trace.tb_next
    return False


class _Once:
    """A handler of interrupts: one raises, and one that comes soon after it was heard already.

    What ends because of the first is not torn apart by the second; it has its own bounds.
    """

    def __init__(self) -> None:
        self._raised: float | None = None

    def __call__(self, _number: int, _frame: FrameType | None) -> None:
        """Take an interrupt."""
        now = time.monotonic()
        if self._raised is None or now - self._raised > _ENDING:
            self._raised = now
            raise KeyboardInterrupt


class _Last:
    """A handler of signals that end the process: an interrupt first, so that all is tidied up."""

    def __init__(self) -> None:
        self.number = 0

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        """Take such a signal."""
        self.number = number
        # Where an interrupt has to wait, this has to.
        signal.raise_signal(signal.SIGINT)


@contextmanager
def interrupts_raise() -> Iterator[None]:
    """Let an interrupt raise KeyboardInterrupt inside, whatever handler is there; put it back.

    Those that follow it within seconds do nothing more. A signal that would end the process does
    the same inside, and ends it after that, unless somebody else handles or ignores it.
    """
    here = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if here else None
    if not here or isinstance(before, _Once):
        try:
            yield
        finally:
            # What is imported inside may have put its own in its place.
            if here:
                signal.signal(signal.SIGINT, before)
        return
    signal.signal(signal.SIGINT, _Once())
    last = _Last()
    ours = [number for number in _LAST if signal.getsignal(number) == signal.SIG_DFL]
    for number in ours:
        signal.signal(number, last)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
        if last.number:
            _end(last.number)


def _end(number: int) -> None:
    """End the process by a signal, as it would have ended at once."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that was closed takes nothing.
        with suppress(OSError, ValueError):
            stream.flush()
    signal.raise_signal(number)


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let an interrupt wait until the end, so that what begins inside is known when it comes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[FrameType | None] = []
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)
    if came:
        signal.raise_signal(signal.SIGINT)

"""What importing flytekit does to a shell, and how it is kept from it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# rich.traceback.install() puts these into the instance.
_HOOKS = ("_showtraceback", "showtraceback", "showsyntaxerror")
# Seconds that what was interrupted has for its end.
_ENDING = 3.0


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
    with interrupts_raise():
        import flytekit  # noqa: F401 - a second, and only when it is needed
    sys.excepthook = hook
    for name in _HOOKS:
        shell.__dict__.pop(name, None)
    shell.__dict__.update(kept)


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


@contextmanager
def interrupts_raise() -> Iterator[None]:
    """Let an interrupt raise KeyboardInterrupt inside, whatever handler is there; put it back.

    Those that follow it within seconds do nothing more.
    """
    here = threading.current_thread() is threading.main_thread()
    before = signal.getsignal(signal.SIGINT) if here else None
    if not here or isinstance(before, _Once):
        yield
        return
    signal.signal(signal.SIGINT, _Once())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.SIG_DFL)


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

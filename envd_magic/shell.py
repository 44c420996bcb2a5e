"""What importing flytekit does to a shell, and how it is kept from it."""

from __future__ import annotations

import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# rich.traceback.install() puts these into the instance.
_HOOKS = ("_showtraceback", "showtraceback", "showsyntaxerror")


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


@contextmanager
def interrupts_raise() -> Iterator[None]:
    """Let an interrupt raise KeyboardInterrupt inside, whatever handler is there; put it back."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
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

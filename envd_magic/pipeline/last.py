"""What came of the last build: of the process, and of each thread that builds."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from envd_magic.pipeline.explain import refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.pipeline.result import BuildResult

_last: list[BuildResult] = []
_own = threading.local()


def last_result() -> BuildResult | None:
    """Give the result of this process's last build, a failed one too; None before the first."""
    return _last[-1] if _last else None


def own_result() -> BuildResult | None:
    """Give the result of this thread's last build: others may build at the same time."""
    return getattr(_own, "result", None)


def note(result: BuildResult) -> None:
    """Take a result for the last one."""
    _own.result = result
    _last[:] = [result]


@contextmanager
def refusals_noted(spec: ImageSpec) -> Iterator[None]:
    """Note as the last result that nothing has run: a spec is refused, or a log has no place."""
    started = time.monotonic()
    try:
        yield
    except Exception as error:
        note(refused(error, spec, time.monotonic() - started))
        raise

"""What killed processes and gone engines have left, taken away beside a build."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from envd_magic.engine import containers, images
from envd_magic.engine.client import Engine
from envd_magic.errors import EngineError
from envd_magic.pipeline import folders

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envd_magic.engine.address import Address

# Private names of this process that an engine would not give up; it may do so later.
_KEPT: set[str] = set()


class Leftovers:
    """Sweeps on a thread: an engine with many images takes its time to list them."""

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    @staticmethod
    def keep(names: Iterable[str]) -> None:
        """Try again, at the next build, to take away names that this process could not."""
        _KEPT.update(names)

    def sweep(self, engine: Address | None) -> None:
        """Begin.

        Parameters
        ----------
        engine
            The engine to sweep as well, if there is one.
        """
        self._thread = threading.Thread(
            target=_sweep, args=(engine,), name="envd_magic-leftovers", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait for the end, if it has begun."""
        if self._thread is not None:
            self._thread.join()


def _sweep(address: Address | None) -> None:
    folders.sweep()
    if address is None:
        return
    engine = Engine(address)
    # What cannot be taken away now is by a later build.
    with suppress(EngineError):
        kept = tuple(_KEPT)
        images.untag(engine, kept)
        _KEPT.difference_update(kept)
        images.untag(engine, images.abandoned(engine))
        images.untag(engine, images.old_dependencies(engine))
        containers.sweep(engine)
    engine.close()

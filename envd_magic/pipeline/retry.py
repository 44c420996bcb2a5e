"""Asking a registry again where it did not answer: a few times, and told each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from envd_magic.engine.passing import is_passing
from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from envd_magic.pipeline.log import BuildLog

Answer = TypeVar("Answer")

# Seconds before each further try.
_PAUSES = (1.0, 4.0)


def retried(ask: Callable[[], Answer], log: BuildLog) -> Answer:
    """Ask, and ask again where what went wrong may pass by itself.

    Parameters
    ----------
    ask
        Asks once.
    log
        Is told of each further try; its wish to stop ends a pause.

    Raises
    ------
    EngineError
        What the last try raised, or the first one that no other can mend.
    """
    tries = len(_PAUSES) + 1
    for number, pause in enumerate(_PAUSES, 2):
        try:
            return ask()
        except EngineError as error:
            if not is_passing(str(error)):
                raise
            log.line(str(error).splitlines()[0])
            log.line(f"Trying again in {pause:.0f} s ({number} of {tries})")
        log.rest(pause)
    try:
        return ask()
    except EngineError as error:
        if not is_passing(str(error)):
            raise
        raise type(error)(f"{error}\nIt was tried {tries} times.") from error

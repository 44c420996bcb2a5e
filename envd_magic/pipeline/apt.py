"""Builds that install packages of the system, one after another: apt's cache is one for all.

envd mounts one cache of apt into the steps of all builds in an engine, "shared", and apt locks it:
of two that run at the same time one fails at once. Builds of this user wait for each other; where
somebody else's has the lock, the build is tried again.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

from envd_magic.errors import BuildError
from envd_magic.pipeline.flight import alone

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envd_magic.engine.client import Engine
    from envd_magic.pipeline.log import BuildLog
    from envd_magic.recipe.model import Recipe

_LOCKED = re.compile(r"E: Could not get lock \S*/apt/|E: Unable to lock directory \S*/apt/")
# Seconds before each further try: an installation takes from seconds to minutes.
_PAUSES = (2, 5, 10, 20, 40, 60, 60, 60)
_MOMENT = 0.2


@contextmanager
def one_apt(engine: Engine, recipe: Recipe, log: BuildLog) -> Iterator[None]:
    """Let no two recipes of this user that install system packages run at once in an engine.

    Parameters
    ----------
    engine
        Where it is built.
    recipe
        What is built; nothing is waited for if it installs no such package.
    log
        Is told if it has to wait; its wish to stop ends that.
    """
    if not any("apt_packages" in rule.fields for rule in recipe.rules):
        yield
        return
    told = False

    def wait() -> None:
        nonlocal told
        if not told:
            log.line("Waiting: another build installs system packages in this engine")
        told = True
        log.rest(_MOMENT)

    with alone(f"apt {engine.identity}", wait):
        yield


def asked_again(build: Callable[[], None], log: BuildLog) -> None:
    """Build, and build again where somebody else's build has locked apt's cache.

    Raises
    ------
    BuildError
        If it fails for another reason, or the cache stays locked.
    """
    for number, pause in enumerate(_PAUSES, 2):
        try:
            return build()
        except BuildError as error:
            if not _LOCKED.search(str(error)):
                raise
        log.forget_failure()
        log.line("Another build has locked apt's cache in this engine")
        log.line(f"Trying again in {pause} s ({number} of {len(_PAUSES) + 1})")
        log.rest(pause)
    return build()

"""How to build, apart from what."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError

if TYPE_CHECKING:
    from pathlib import Path

    from flytekit import ImageSpec

    from envd_magic.pipeline.events import Listener
    from envd_magic.pipeline.stop import Stop
    from envd_magic.pipeline.together import Together

PUSH_VARIABLE = "FLYTE_PUSH_IMAGE_SPEC"
#: What says, where no setting does, whether builds are remembered, and whether they are recorded.
HISTORY_VARIABLE = "ENVD_MAGIC_HISTORY"
RECORDINGS_VARIABLE = "ENVD_MAGIC_RECORDINGS"
#: Names the repository that a build shares, where no option or setting does.
SHARED_VARIABLE = "ENVD_MAGIC_SHARED_CACHE"
#: Options that name caches.
CACHES = ("shared_cache", "cache_from", "cache_to")
_TRUE = ("true", "1", "yes", "on")
_FALSE = ("false", "0", "no", "off")


@dataclass(frozen=True)
class Options:
    """How to build, apart from what.

    Parameters
    ----------
    context
        Name of an envd context; None chooses as the docs say.
    push
        None pushes iff the spec has a registry and ``FLYTE_PUSH_IMAGE_SPEC`` lets it.
    force
        True builds even if the image is there.
    no_cache
        True runs every step, whatever earlier builds have left.
    incremental
        True adds what is new to what the image's last build has installed, where only lists have
        grown or versions changed.
    shared_cache
        Repository in which a team keeps what its images install; None asks
        ``ENVD_MAGIC_SHARED_CACHE``, "" has none.
    cache_from, cache_to
        Image in a registry that the builder's layer cache is taken from, or put to; builders other
        than ``moby-worker`` have one.
    verify
        True compares what was built with what was asked for, before it gets its name.
    modules
        Modules that are to be imported when it is.
    listener
        Is told every event as it comes.
    stop
        Stops the build from another thread.
    log_folder
        Where the log goes; None takes the usual place.
    telemetry
        True lets envd tell its makers of the build.
    pickled
        True if the tasks that will run in the image come from a notebook: flytekit pickles those,
        so Python and flytekit should be the same there and here.
    history
        Is the build remembered? None asks ``ENVD_MAGIC_HISTORY``, and remembers it else.
    together
        What the build's last part is done with, where there are other builds at once.
    recordings
        Is the build recorded? None asks ``ENVD_MAGIC_RECORDINGS``, and records it else.
    """

    context: str | None = None
    push: bool | None = None
    force: bool = False
    no_cache: bool = False
    incremental: bool = False
    shared_cache: str | None = None
    cache_from: str | None = None
    cache_to: str | None = None
    verify: bool = False
    modules: frozenset[str] = frozenset()
    listener: Listener | None = None
    stop: Stop | None = None
    log_folder: Path | None = None
    telemetry: bool = False
    pickled: bool = False
    history: bool | None = None
    recordings: bool | None = None
    together: Together | None = None


def wants_push(spec: ImageSpec, push: bool | None = None) -> bool:  # noqa: FBT001
    """Is the image to be pushed?"""
    if not spec.registry:
        return False
    if push is not None:
        return push
    return os.environ.get(PUSH_VARIABLE, "true").strip().lower() in _TRUE


def said_by(variable: str) -> bool | None:
    """Read whether a variable of ours switches something on or off; None if it says nothing.

    Raises
    ------
    EnvdMagicError
        If it says anything else.
    """
    text = os.environ.get(variable, "").strip()
    if not text:
        return None
    if text.lower() not in _TRUE + _FALSE:
        raise EnvdMagicError(f"{variable}: {text!r} is neither true nor false")
    return text.lower() in _TRUE

"""BuildKit's copies of build folders, which hold what a build mounts: credentials too.

An engine keeps the copy of a folder that was sent, to send less the next time, until it is pruned.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/BuildPrune
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envd_magic.engine.client import SMALL_PRUNE, explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.engine.client import Engine

# As envd calls the folder that it sends.
_DESCRIPTION = "local source for build-context"
# From this version of its API on an engine tells of its build cache alone, which is faster.
_ALONE = (1, 42)


def forget_folders(engine: Engine) -> None:
    """Let an engine forget the copies of envd's folders that no build uses.

    Large ones stay: they have a user's files, and folders in which credentials lie have none.

    Raises
    ------
    EngineError
        If the engine does not answer.
    """
    with explained("forget copies of build folders"):
        for record in list(_records(engine.api)):
            if (
                record.get("Description") == _DESCRIPTION
                and not record.get("InUse")
                and record.get("Size", 0) < SMALL_PRUNE
            ):
                engine.api.prune_builds(filters={"id": record["ID"]})


def _records(api: Any) -> Iterator[dict[str, Any]]:
    version = tuple(int(part) for part in api._version.split("."))  # noqa: SLF001 - it has no other name
    parameters = {"type": "build-cache"} if version >= _ALONE else {}
    told = api._result(api._get(api._url("/system/df"), params=parameters), json=True)  # noqa: SLF001
    yield from told.get("BuildCache") or ()

"""BuildKit's copies of build folders, which hold what a build mounts: credentials too.

An engine keeps the copy of a folder that was sent, to send less the next time, until it is pruned.
https://docs.docker.com/reference/api/engine/version/v1.41/#tag/Image/operation/BuildPrune
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envd_magic.engine.client import explained
from envd_magic.paths import cache_folder, keep

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.engine.client import Engine

# As envd calls the folder that it sends.
_DESCRIPTION = "local source for build-context"
# Bytes: larger copies have a user's files, and folders in which credentials are sent have none.
_LARGEST = 1_000_000
# From this version of its API on an engine tells of its build cache alone, which is faster.
_ALONE = (1, 42)
_MOST = 50


def forget_folders(engine: Engine) -> None:
    """Let an engine forget the copies of envd's folders that no build uses; no step is forgotten.

    Raises
    ------
    EngineError
        If the engine does not answer.
    """
    with explained("forget copies of build folders"):
        found = [
            str(record["ID"])
            for record in _records(engine.api)
            if record.get("Description") == _DESCRIPTION
            and not record.get("InUse")
            and record.get("Size", 0) < _LARGEST
        ]
        if not found:
            return
        # BuildKit takes it for a pattern.
        told = engine.api.prune_builds(filters={"id": f'"^({"|".join(found)})$"'})
    if size := int(told.get("SpaceReclaimed") or 0):
        kept = [str(size), *forgotten()][:_MOST]
        keep(_path(), "".join(f"{line}\n" for line in kept))


def _records(api: Any) -> list[dict[str, Any]]:
    version = tuple(int(part) for part in api._version.split("."))  # noqa: SLF001 - has no other name
    parameters = {"type": "build-cache"} if version >= _ALONE else {}
    told = api._result(api._get(api._url("/system/df"), params=parameters), json=True)  # noqa: SLF001
    found: list[dict[str, Any]] = told.get("BuildCache") or []
    return found


def forgotten() -> list[str]:
    """Give how many bytes each of our last prunes took: their events tell nothing else."""
    try:
        return _path().read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def _path() -> Path:
    return cache_folder() / "forgotten"

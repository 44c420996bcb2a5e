"""What a module of tests has built is taken out of the engine when the module ends.

envd lists all images of the engine at each build: with some thousand of them that takes seconds.
"""

from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HISTORY = "data/history.sqlite3"
# Of images without a name those that are older are nobody's.
_OLD = "until=10m"


def take_away(home: Path, since: float, docker_host: str) -> None:
    """Remove the images of the builds that a home remembers, but none that another's does.

    Parameters
    ----------
    home
        What ENVD_MAGIC_HOME named.
    since
        When the first of the builds began, in seconds since 1970.
    docker_host
        The engine.
    """
    others = home.parent.parent.glob(f"popen-gw*/*/{_HISTORY}")
    theirs = {name for path in others if home not in path.parents for name in _names(path, 0)}
    docker = ["docker", "-H", docker_host]
    if mine := sorted({*_names(home / _HISTORY, since)} - theirs):
        # One that is in use, or gone, is none of this module's any more.
        subprocess.run([*docker, "rmi", *mine], capture_output=True)
    subprocess.run([*docker, "image", "prune", "-f", "--filter", _OLD], capture_output=True)


def _names(path: Path, since: float) -> list[str]:
    if not path.exists():
        return []
    wanted = "SELECT DISTINCT json_extract(result, '$.image') FROM builds WHERE ended >= ?"
    try:
        with closing(sqlite3.connect(path, timeout=10)) as store:
            return [str(name) for (name,) in store.execute(wanted, (since,)) if name]
    except sqlite3.DatabaseError:
        # Tests of a broken store are under way.
        return []

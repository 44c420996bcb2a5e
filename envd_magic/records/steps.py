"""What steps took, and which of them an engine has in its cache: for plans of later builds.

It holds keyed hashes and seconds, nothing of what a step does.
"""

from __future__ import annotations

import sqlite3
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.errors import EnvdMagicError
from envd_magic.paths import cache_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Steps that are remembered; those seen longest ago go first.
_MOST = 5000
_PATIENCE = 5.0
_TABLE = """
CREATE TABLE IF NOT EXISTS steps (
    engine TEXT NOT NULL,
    key TEXT NOT NULL,
    image TEXT NOT NULL,
    kind TEXT NOT NULL,
    seconds REAL,
    seen REAL NOT NULL,
    PRIMARY KEY (engine, key)
)
"""
# So that those seen longest ago are found without sorting all.
_ORDER = "CREATE INDEX IF NOT EXISTS steps_seen ON steps (seen)"


class Seen(NamedTuple):
    """One step that a build has seen through.

    Parameters
    ----------
    key
        As :func:`~envd_magic.recipe.stages.rule_keys` makes it.
    kind
        What such a step is called, whatever it installs or copies.
    seconds
        How long it ran; None if it came from the cache.
    """

    key: str
    kind: str
    seconds: float | None


class StepMemory:
    """The steps that one engine has seen.

    Parameters
    ----------
    engine
        Its own identity.
    image
        Name of the image without its tag: what its steps took counts before others'.
    """

    def __init__(self, engine: str, image: str) -> None:
        self._engine = engine
        self._image = image

    def note(self, steps: Iterable[Seen]) -> None:
        """Remember steps.

        Raises
        ------
        EnvdMagicError
            If the store cannot be used.
        """
        now = time.time()
        rows = [(self._engine, one.key, self._image, one.kind, one.seconds, now) for one in steps]
        with self._open() as store:
            store.executemany(
                "INSERT INTO steps VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (engine, key) DO UPDATE "
                "SET seen = excluded.seen, seconds = coalesce(excluded.seconds, seconds)",
                rows,
            )
            store.execute(
                "DELETE FROM steps WHERE rowid IN "
                "(SELECT rowid FROM steps ORDER BY seen DESC LIMIT -1 OFFSET ?)",
                (_MOST,),
            )

    def has(self, keys: Iterable[str]) -> set[str]:
        """Give those of some keys that the engine has seen.

        Raises
        ------
        EnvdMagicError
            If the store cannot be used.
        """
        wanted = list(keys)
        marks = ", ".join("?" * len(wanted))
        with self._open() as store:
            rows = store.execute(
                f"SELECT key FROM steps WHERE engine = ? AND key IN ({marks})",  # noqa: S608 - marks alone
                (self._engine, *wanted),
            )
            return {str(key) for (key,) in rows}

    def seconds(self, kind: str) -> float | None:
        """Give what a step of a kind took last, of this image if there is one.

        Raises
        ------
        EnvdMagicError
            If the store cannot be used.
        """
        with self._open() as store:
            row = store.execute(
                "SELECT seconds FROM steps WHERE kind = ? AND seconds IS NOT NULL "
                "ORDER BY image = ? DESC, engine = ? DESC, seen DESC LIMIT 1",
                (kind, self._image, self._engine),
            ).fetchone()
        return None if row is None else float(row[0])

    def forget(self, before: float) -> None:
        """Forget what this engine had seen by a time: it has thrown it away.

        Raises
        ------
        EnvdMagicError
            If the store cannot be used.
        """
        with self._open() as store:
            store.execute(
                "DELETE FROM steps WHERE engine = ? AND seen <= ?", (self._engine, before)
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        path = cache_folder() / "steps-1.sqlite3"
        try:
            store = sqlite3.connect(path, timeout=_PATIENCE)
            try:
                with store:
                    store.execute(_TABLE)
                    store.execute(_ORDER)
                    yield store
            finally:
                store.close()
        except sqlite3.Error as error:
            raise EnvdMagicError(f"{path} cannot be used: {error}; delete it") from error

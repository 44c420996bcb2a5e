"""The builds of the past: a small store that several processes may use at once.

It holds what people may see: specs as :func:`~envd_magic.spec.source.format_spec` masks them, and
results, whose texts were masked before.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.errors import EnvdMagicError
from envd_magic.paths import data_folder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

#: Builds that are remembered; the oldest go first.
MOST = 500
# Seconds that a process waits for another one.
_PATIENCE = 10.0
_TABLE = """
CREATE TABLE IF NOT EXISTS builds (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    ended REAL NOT NULL,
    name TEXT NOT NULL,
    spec TEXT NOT NULL,
    result TEXT NOT NULL
)
"""


@dataclass(frozen=True)
class Entry:
    """A build of the past.

    Parameters
    ----------
    number
        Its own, for good.
    ended
        Seconds since 1970.
    name
        The spec's.
    spec
        Python that makes the spec, secrets masked.
    result
        What came of it, as :func:`~envd_magic.pipeline.as_json.result_to_json` gives it.
    """

    number: int
    ended: float
    name: str
    spec: str
    result: dict[str, Any]


def history_file() -> Path:
    """Give where the store is."""
    return data_folder() / "history.sqlite3"


@contextmanager
def _store() -> Iterator[sqlite3.Connection]:
    path = history_file()
    # Readable by nobody else, from the beginning.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=_PATIENCE)
    try:
        # What is forgotten is not left in the file.
        connection.execute("PRAGMA secure_delete = ON")
        with connection:
            connection.execute(_TABLE)
            yield connection
    except sqlite3.DatabaseError as error:
        # A full or busy disk is no fault of the file's.
        passes = isinstance(error, sqlite3.OperationalError)
        how = "" if passes else "; delete the file to begin a new one"
        raise EnvdMagicError(f"the history ({path}) cannot be used: {error}{how}") from error
    finally:
        connection.close()


def remember(name: str, spec: str, result: dict[str, Any]) -> None:
    """Add a build; the oldest is forgotten where there are too many.

    Raises
    ------
    EnvdMagicError
        If the store cannot be used.
    """
    with _store() as store:
        store.execute(
            "INSERT INTO builds (ended, name, spec, result) VALUES (?, ?, ?, ?)",
            (time.time(), name, spec, json.dumps(result)),
        )
        store.execute(
            "DELETE FROM builds WHERE number <= "
            "(SELECT number FROM builds ORDER BY number DESC LIMIT 1 OFFSET ?)",
            (MOST,),
        )


def entries(name: str | None = None, most: int = MOST) -> list[Entry]:
    """Give past builds, the newest first.

    Parameters
    ----------
    name
        Of this name only.
    most
        How many.
    """
    with _store() as store:
        rows = store.execute(
            "SELECT number, ended, name, spec, result FROM builds "
            "WHERE ?1 IS NULL OR name = ?1 ORDER BY number DESC LIMIT ?2",
            (name, most),
        ).fetchall()
    return [
        Entry(number, ended, own, spec, json.loads(result))
        for number, ended, own, spec, result in rows
    ]


def entry(number: int) -> Entry | None:
    """Give one by its number, None if it is not there (any more)."""
    return next((one for one in entries() if one.number == number), None)


def remove(numbers: Sequence[int] | None = None) -> int:
    """Forget builds, or all of them; give how many they were."""
    with _store() as store:
        if numbers is None:
            return store.execute("DELETE FROM builds").rowcount
        marks = ",".join("?" * len(numbers))
        query = f"DELETE FROM builds WHERE number IN ({marks})"  # noqa: S608 - marks alone
        return store.execute(query, tuple(numbers)).rowcount

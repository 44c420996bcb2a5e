"""Files of a container, as the engine gives them: no program of the image is needed."""

from __future__ import annotations

import hashlib
import io
import tarfile
from typing import TYPE_CHECKING, Any

from envd_magic.engine.client import Engine, explained
from envd_magic.verification.inside.system import debian_packages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_BLOCK = 1 << 20
_STATUS = "/var/lib/dpkg/status"


class Stream(io.RawIOBase):
    """Pieces of bytes, as a file that can be read once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as far as one piece goes."""
        if not self._rest:
            self._rest = next(self._pieces, b"")
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


class Shelf:
    """The files of one container.

    Parameters
    ----------
    engine
        Where it is.
    container
        Its name; it need not run.
    """

    def __init__(self, engine: Engine, container: str) -> None:
        self._engine = engine
        self._container = container

    def file_at(self, path: str, size: int) -> dict[str, Any]:
        """Tell what is at a path, as the probe does; the hash only of a file of this size."""
        with explained(f"look at {path} in the image"):
            archive = self._archive(path)
            if archive is None:
                return {"kind": "none"}
            found = archive.next()
            if found is None:
                return {"kind": "none"}
            if found.issym():
                return {"kind": "link", "to": found.linkname}
            if found.isdir():
                return {"kind": "folder", "mode": found.mode}
            if not found.isreg():
                return {"kind": "other", "mode": found.mode}
            digest = _hash(archive, found) if found.size == size else ""
            return {"kind": "file", "mode": found.mode, "size": found.size, "hash": digest}

    def debian_packages(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Give dpkg's records of packages, and of those that provide them."""
        with explained(f"look at {_STATUS} in the image"):
            archive = self._archive(_STATUS)
            found = archive.next() if archive is not None else None
            content = archive.extractfile(found) if archive is not None and found else None
            status = content.read().decode("utf-8", "replace") if content is not None else ""
        return [{**record, "missing": []} for record in debian_packages(status, list(names))]

    def _archive(self, path: str) -> tarfile.TarFile | None:
        from docker.errors import NotFound

        try:
            pieces, _ = self._engine.api.get_archive(self._container, path, chunk_size=_BLOCK)
        except NotFound:
            return None
        return tarfile.open(fileobj=Stream(pieces), mode="r|", bufsize=_BLOCK)


def _hash(archive: tarfile.TarFile, found: tarfile.TarInfo) -> str:
    digest = hashlib.sha256()
    content = archive.extractfile(found)
    while content is not None and (piece := content.read(_BLOCK)):
        digest.update(piece)
    return digest.hexdigest()

"""An image's layers as the engine saves them, read as they come; nothing is written anywhere.

https://github.com/moby/docker-image-spec: `manifest.json` names the layers in order; it comes after
them. Engines from Docker 25 on name a layer by its digest, older ones do not, so that
what is known of a layer (is it the base image's?) is known before it is read, or after.
"""

from __future__ import annotations

import json
import posixpath
import tarfile
import zlib
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from envd_magic.engine.client import Engine, explained
from envd_magic.errors import EngineError
from envd_magic.verification.archive import Stream
from envd_magic.verification.search import PIECE, Hits, Needle, scan

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

_BLOBS = "blobs/sha256/"
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_TEXTS = (".json", "/json", "VERSION", "repositories", "index.json", "oci-layout")


@dataclass(frozen=True)
class Found:
    """What was found in one layer.

    Parameters
    ----------
    number
        Of the layer, from 0 on.
    hits
        Secrets, and the paths that they are in.
    """

    number: int
    hits: Hits


def search_layers(
    engine: Engine,
    image: str,
    wanted: Sequence[Needle],
    known: Collection[str],
    tick: Callable[[], None],
) -> tuple[list[Found], list[str]]:
    """Look through the layers of an image.

    Parameters
    ----------
    engine
        Where it is.
    image
        Its ID.
    wanted
        What to look for.
    known
        Digests of layers that are not looked through, where their names tell.
    tick
        Is called all the time, and raises what ends the search.

    Returns
    -------
    tuple
        What was found, and what could not be read, as sentences.

    Raises
    ------
    EngineError
        If the engine does not give the image.
    """
    saved = _Saved(wanted, known, tick)
    with explained(f"save the image {image}"):
        pieces = engine.api.get_image(image, chunk_size=PIECE)
        try:
            with tarfile.open(fileobj=Stream(pieces), mode="r|", bufsize=PIECE) as archive:
                for member in archive:
                    saved.take(archive, member)
        except tarfile.TarError as error:
            raise EngineError(f"Cannot read the saved image {image}: {error}") from error
    return saved.found(), saved.unread


class _Saved:
    """What comes out of a saved image, member by member."""

    def __init__(
        self, wanted: Sequence[Needle], known: Collection[str], tick: Callable[[], None]
    ) -> None:
        self._wanted, self._tick = wanted, tick
        self._known = {digest.removeprefix("sha256:") for digest in known}
        self._hits: dict[str, Hits] = {}
        self._links: dict[str, str] = {}
        self._manifest: Sequence[Mapping[str, object]] = ()
        self.unread: list[str] = []

    def take(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        """Take the next member."""
        name = member.name
        if member.issym() or member.islnk():
            # A layer that is there twice.
            target = posixpath.join(posixpath.dirname(name), member.linkname)
            self._links[name] = posixpath.normpath(target if member.issym() else member.linkname)
            return
        file = archive.extractfile(member)
        if file is None or name.removeprefix(_BLOBS) in self._known:
            return
        if name == "manifest.json":
            with suppress(ValueError):
                self._manifest = json.load(file)
        elif not name.endswith(_TEXTS):
            self._layer(name, file)

    def _layer(self, name: str, file: IO[bytes]) -> None:
        head = file.read(PIECE)
        if head.startswith(b"{"):
            return  # a manifest or the settings, as a blob
        if head.startswith(_ZSTD):
            self.unread.append("a layer is packed with zstd, which Python cannot read")
            return
        rest = _Unpacked(head, file) if head.startswith(_GZIP) else _Joined(head, file)
        try:
            self._hits[name] = scan(rest.read, self._wanted, self._tick)
        except (zlib.error, ValueError) as error:
            self.unread.append(f"a layer cannot be read: {error}")

    def found(self) -> list[Found]:
        """Give what was found, by the numbers of the layers."""
        names = [str(name) for one in self._manifest[:1] for name in self._layers(one)]
        told = []
        for number, name in enumerate(names):
            real = self._links.get(name, name)
            if hits := self._hits.get(real):
                told.append(Found(number, hits))
        missing = set(self._hits) - {self._links.get(name, name) for name in names}
        # Without a place in the image: none of it is lost, and nobody can say whose it is.
        told += [Found(-1, self._hits[name]) for name in sorted(missing)]
        return told

    @staticmethod
    def _layers(one: Mapping[str, object]) -> list[object]:
        layers = one.get("Layers")
        return list(layers) if isinstance(layers, list) else []


class _Joined:
    """A file of which the first piece was read already."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        self._head, self._rest = head, rest

    def read(self, _size: int) -> bytes:
        """Give the next piece."""
        head, self._head = self._head, b""
        return head or self._rest.read(PIECE)


class _Unpacked(_Joined):
    """The same, packed with gzip."""

    def __init__(self, head: bytes, rest: IO[bytes]) -> None:
        super().__init__(head, rest)
        self._gzip = zlib.decompressobj(wbits=31)
        self._ready = b""

    def read(self, size: int) -> bytes:
        """Give so many bytes, fewer only at the end."""
        parts, count = [self._ready], len(self._ready)
        while count < size and not self._gzip.eof:
            packed = self._gzip.unconsumed_tail or super().read(size)
            if not packed:
                raise ValueError("it ends too early")
            parts.append(self._gzip.decompress(packed, size))
            count += len(parts[-1])
        whole = b"".join(parts)
        self._ready = whole[size:]
        return whole[:size]

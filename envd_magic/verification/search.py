"""Looking for secrets in the archive of a layer, read once from its beginning to its end.

All bytes of it are looked at, names of files too; packed files (gzip, bzip2, xz, zip and so wheels)
are opened, those in them are not.
"""

from __future__ import annotations

import bz2
import html
import io
import json
import lzma
import shlex
import zipfile
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from envd_magic.spec.disguise import core, disguised

if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterator, Sequence

    from envd_magic.verification.sought import Sought

#: How much is read at once; a multiple of a tar's blocks.
PIECE = 1 << 20
_BLOCK = 512
# A value in any quoting is not longer.
_MARGIN = 4096
_SHORTEST_CORE = 4
_MOST_HITS = 20
#: A larger packed file is not opened, and no more of one is looked at when it is.
MOST_PACKED, _MOST_UNPACKED = 32 << 20, 256 << 20
_PACKED = (b"\x1f\x8b\x08", b"BZh", b"\xfd7zXZ\x00", b"PK\x03\x04")


@dataclass(frozen=True)
class Needle:
    """Bytes to look for, and what tells whether they are part of the value.

    Parameters
    ----------
    number
        Of the secret.
    start
        The bytes.
    whole
        Pattern of the value in any quoting, None if the bytes are all of it.
    """

    number: int
    start: bytes
    whole: re.Pattern[str] | None = None

    def found_in(self, data: bytes, begin: int, end: int) -> Iterator[int]:
        """Give where it begins in data, between two places."""
        at = data.find(self.start, begin)
        while 0 <= at < end:
            around = data[max(0, at - _MARGIN) : at + _MARGIN]
            if self.whole is None or self.whole.search(around.decode("utf-8", "replace")):
                yield at
            at = data.find(self.start, at + 1)


def needles(secrets: Sequence[Sought]) -> list[Needle]:
    """Give what to look for."""
    found: dict[tuple[int, bytes], Needle] = {}
    for number, one in enumerate(secrets):
        for value in one.values:
            plain = core(value)
            starts = (plain,) if len(plain) >= _SHORTEST_CORE else _quoted(value)
            for start in map(str.encode, starts):
                # Of values that share their plain part, each has its own pattern.
                key = start + b"\0" + value.encode()
                found[number, key] = Needle(number, start, disguised(value))
        for raw in one.raw:
            found[number, raw] = Needle(number, raw)
    return list(found.values())


def _quoted(value: str) -> set[str]:
    """Give a value in the ways that it is likely to be written in a file.

    It has no part that is the same in all of them and long enough to be looked for.
    """
    ways = {value, json.dumps(value)[1:-1], repr(value)[1:-1], shlex.quote(value)}
    return ways | {quote(value), quote(value, safe=""), html.escape(value)}


@dataclass
class Hits:
    """Where secrets were found: the paths by their numbers.

    Parameters
    ----------
    paths
        Of files of the layer, without a slash in front.
    unopened
        Packed files that were too large to open.
    """

    paths: dict[int, list[str]] = field(default_factory=dict)
    unopened: list[str] = field(default_factory=list)

    def add(self, number: int, path: str) -> None:
        """Note one."""
        known = self.paths.setdefault(number, [])
        if path not in known and len(known) < _MOST_HITS:
            known.append(path)


def scan(read: Callable[[int], bytes], wanted: Sequence[Needle], tick: Callable[[], None]) -> Hits:
    """Look through the archive of a layer.

    Parameters
    ----------
    read
        Gives so many bytes of it, fewer only at its end.
    wanted
        What to look for.
    tick
        Is called all the time, and raises what ends the search.
    """
    hits = Hits()
    members = _Members(wanted, hits)
    data, begin, offset = b"", 0, 0
    while True:
        tick()
        piece = read(PIECE)
        members.feed(piece)
        data += piece
        # What is near the end is looked at when what follows it is there.
        end = len(data) - _MARGIN if piece else len(data)
        for needle in wanted:
            for at in needle.found_in(data, begin, end):
                hits.add(needle.number, members.name_at(offset + at))
        if not piece:
            return hits
        cut = max(0, end - _MARGIN)
        begin, offset, data = max(0, end - cut), offset + cut, data[cut:]


class _Members:
    """The files of an archive, as its bytes pass by; packed ones are looked into.

    https://www.gnu.org/software/tar/manual/html_node/Standard.html
    """

    def __init__(self, wanted: Sequence[Needle], hits: Hits) -> None:
        self._wanted = wanted
        self._hits = hits
        self._starts: list[int] = []
        self._names: list[str] = []
        self._offset = 0
        self._left = self._size = 0
        self._long_name = ""
        self._taken: bytearray | None = None
        self._kind = ""
        self._is_new = False

    def name_at(self, offset: int) -> str:
        """Give the name of the file to which a byte of the archive belongs."""
        number = bisect_right(self._starts, offset) - 1
        return self._names[number] if number >= 0 else "?"

    def feed(self, piece: bytes) -> None:
        """Take the next bytes, a whole number of blocks."""
        at = 0
        while at < len(piece):
            if not self._left:
                self._begin(piece[at : at + _BLOCK], self._offset + at)
                at += _BLOCK
                continue
            count = min(self._left, len(piece) - at)
            if self._taken is not None:
                self._take(piece[at : at + count])
            at += count
            self._left -= count
            if not self._left:
                self._end()
        self._offset += len(piece)

    def _begin(self, head: bytes, offset: int) -> None:
        if len(head) < _BLOCK or not head[0]:
            return
        self._size = _number(head[124:136])
        self._left = -(-self._size // _BLOCK) * _BLOCK
        self._kind = chr(head[156])
        if self._kind in "xgLK":
            self._taken = bytearray()
            self._is_new = False
            return
        name, prefix = _text(head[:100]), _text(head[345:500])
        if head[257:263] == b"ustar\0" and prefix:
            name = f"{prefix}/{name}"
        self._starts.append(offset)
        self._names.append(self._long_name or name)
        self._long_name = ""
        self._taken = bytearray() if self._kind in "0\0" and self._size else None
        self._is_new = True
        if not self._left:
            self._taken = None

    def _take(self, part: bytes) -> None:
        if self._is_new:
            self._is_new = False
            if not part.startswith(_PACKED):
                self._taken = None
                return
            if self._size > MOST_PACKED:
                self._hits.unopened.append(self._names[-1])
                self._taken = None
                return
        if self._taken is not None:
            self._taken += part

    def _end(self) -> None:
        if self._taken is None:
            return
        content, self._taken = bytes(self._taken[: self._size]), None
        if self._kind == "L":
            self._long_name = _text(content)
        elif self._kind == "x":
            self._long_name = _pax_path(content) or self._long_name
        elif self._kind in "0\0":
            for inner in unpacked(content):
                for needle in self._wanted:
                    if any(True for _ in needle.found_in(inner, 0, len(inner))):
                        self._hits.add(needle.number, self._names[-1])


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


def _number(raw: bytes) -> int:
    if raw[0] & 0x80:
        return int.from_bytes(raw[1:], "big")
    return int(raw.strip(b"\0 ") or b"0", 8)


def _pax_path(content: bytes) -> str:
    """Read https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html for the name."""
    while content:
        length, _, _ = content.partition(b" ")
        if not length.isdigit():
            return ""
        record, content = content[: int(length)], content[int(length) :]
        name, _, value = record[len(length) + 1 : -1].partition(b"=")
        if name == b"path":
            return value.decode("utf-8", "replace")
    return ""


def unpacked(content: bytes) -> Iterator[bytes]:
    """Give what is in a packed file, as far as it can be read and is not too much."""
    try:
        if content.startswith(b"PK"):
            yield from _of_zip(content)
        elif content.startswith(b"\x1f\x8b"):
            while content.startswith(b"\x1f\x8b"):
                gzip = zlib.decompressobj(wbits=31)
                yield gzip.decompress(content, _MOST_UNPACKED)
                content = gzip.unused_data
        elif content.startswith(b"BZh"):
            yield bz2.BZ2Decompressor().decompress(content, _MOST_UNPACKED)
        else:
            yield lzma.LZMADecompressor().decompress(content, _MOST_UNPACKED)
    except (zlib.error, OSError, EOFError, lzma.LZMAError, ValueError):
        return  # it only looks like one


def _of_zip(content: bytes) -> Iterator[bytes]:
    left = _MOST_UNPACKED
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for inner in archive.infolist():
                if inner.file_size <= left and not inner.flag_bits & 1:
                    left -= inner.file_size
                    yield archive.read(inner)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return

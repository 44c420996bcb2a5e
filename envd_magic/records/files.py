"""Files that are replaced as a whole or not at all, and JSON that is changed in one place."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file's content; whoever reads it meanwhile sees the old or the new.

    Raises
    ------
    OSError
        If it cannot be written; the old content is then there as before.
    """
    # A link stays one.
    target = Path(os.path.realpath(path))
    old = target.stat() if target.exists() else None
    if old is not None and not old.st_mode & _WRITABLE:
        # The folder would let it be replaced.
        raise PermissionError(errno.EACCES, "the file is read-only")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # Nobody else reads a new file, unless the old one was read by others.
        if old is not None:
            if (old.st_uid, old.st_gid) != (os.getuid(), os.getgid()):
                # Who may not give it away keeps what is new.
                with suppress(PermissionError):
                    os.chown(name, old.st_uid, old.st_gid)
            Path(name).chmod(stat.S_IMODE(old.st_mode))
        os.replace(name, target)  # noqa: PTH105
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def set_member(text: str, path: list[str | int], name: str, value: Any) -> str:
    """Set a member of an object in a JSON text; every other character stays as it is.

    Parameters
    ----------
    text
        JSON.
    path
        Where the object is: names and numbers from the outermost on.
    name
        Of the member.
    value
        What it is to be, its names sorted.
    """
    start = 1 if text.startswith("\ufeff") else 0
    outer = _SPACE.match(text, start).end()  # type: ignore[union-attr]  # matches nothing too
    for part in path:
        outer = dict(_places(text, outer))[part][0]
    members = list(_places(text, outer))
    inner = _indent_before(text, members[0][1][2]) if members else None
    own = _indent_before(text, outer_line(text, outer))
    style = _Style(text)
    inner = own + style.indent if inner is None else inner
    written = style.written(value, inner)
    same = [place for key, place in members if key == name]
    if same:
        # The last one counts, as for who reads it.
        return text[: same[-1][0]] + written + text[same[-1][1] :]
    member = f"{json.dumps(name)}{style.colon}{written}"
    keys = [key for key, _ in members]
    later = [place for key, place in members if isinstance(key, str) and key > name]
    if not members:
        close = text.index("}", outer)
        return (
            f"{text[: outer + 1]}{style.new_line(inner)}{member}{style.new_line(own)}{text[close:]}"
        )
    if later and keys == sorted(keys, key=str):
        at = later[0][2]
        return f"{text[:at]}{member}{style.comma(inner)}{text[at:]}"
    at = members[-1][1][1]
    return f"{text[:at]}{style.comma(inner)}{member}{text[at:]}"


def outer_line(text: str, at: int) -> int:
    """Give the place of the first character of a line that is no space."""
    start = text.rfind("\n", 0, at) + 1
    return _SPACE.match(text, start).end()  # type: ignore[union-attr]


def _indent_before(text: str, at: int) -> str:
    start = text.rfind("\n", 0, at) + 1
    return text[start:at] if not text[start:at].strip() else ""


def _places(text: str, at: int) -> Iterator[tuple[str | int, tuple[int, int, int]]]:
    """Give each value in an object or a list: its begin, its end, and where its name begins."""
    is_object = text[at] == "{"
    at = _skip(text, at + 1)
    number = 0
    while text[at] not in "}]":
        begin = at
        key: str | int = number
        if is_object:
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        _, end = _DECODER.raw_decode(text, at)
        yield key, (at, end, begin)
        number += 1
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)


def _skip(text: str, at: int) -> int:
    return _SPACE.match(text, at).end()  # type: ignore[union-attr]


class _Style:
    """How a JSON text is laid out."""

    def __init__(self, text: str) -> None:
        first = re.match(r"\ufeff?\s*\{(\r?\n)([ \t]*)\"", text)
        self.line = first[1] if first else ""
        self.indent = first[2] if first else ""
        found = re.search(r"\"(\s*:\s*)", text)
        self.colon = found[1] if found else ": "
        self.ascii = text.isascii()
        self.space = " " if re.search(r"[\]}\"\d], [\"{\[]", text) else ""

    def new_line(self, indent: str) -> str:
        return f"{self.line}{indent}" if self.line else ""

    def comma(self, indent: str) -> str:
        return f",{self.new_line(indent)}" if self.line else f",{self.space}"

    def written(self, value: Any, indent: str) -> str:
        separators = (",", self.colon) if self.line else (f",{self.space}", self.colon)
        text = json.dumps(
            value,
            indent=self.indent if self.line else None,
            separators=separators,
            ensure_ascii=self.ascii,
            sort_keys=True,
        )
        return text.replace("\n", f"{self.line}{indent}")

"""Files and code that somebody else names or writes, read with an end."""

from __future__ import annotations

import ast
import codecs
import os
import re
import stat
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from pathlib import Path

# Deeper code makes whatever walks over it end in a RecursionError.
_DEEPEST = 150
# A parsed text takes a hundred times its size.
_LONGEST = 4 << 20
# A file of text that is larger is none of those that are read here.
_LARGEST = 64 << 20
_LINE = re.compile(r"[^\r\n]*(?:\r\n?|\n)|[^\r\n]+")

# The longer first: UTF-32's begins as UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@cache
def _kernels() -> frozenset[int]:
    """File systems that the kernel makes up: what is in them may have no end."""
    found = set()
    for path in ("/proc", "/sys"):
        with suppress(OSError):
            found.add(os.stat(path).st_dev)  # noqa: PTH116
    return frozenset(found - {os.stat("/").st_dev})  # noqa: PTH116


def is_real(found: os.stat_result) -> bool:
    """Is it a file that lies on a disk: no pipe, no device, nothing of ``/proc``?"""
    return stat.S_ISREG(found.st_mode) and found.st_dev not in _kernels()


def is_small(path: str | Path) -> bool:
    """Is it a file that :func:`read_file` reads, or none that is there?"""
    try:
        found = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return True
    return is_real(found) and found.st_size <= _LARGEST


def open_file(path: str | Path) -> BinaryIO:
    """Open a file to read; a pipe is not waited for.

    Raises
    ------
    OSError
        If it is not there, or no file of a disk.
    """
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not is_real(os.fstat(file.fileno())):
        file.close()
        raise OSError(f"{str(path)!r} is no file of a disk")
    return file


def read_file(path: str | Path, most: int = _LARGEST, *, cut: bool = False) -> bytes:
    """Read a file; what is none (a pipe, a device) is not waited for.

    Parameters
    ----------
    path
        The file.
    most
        How many bytes it may have.
    cut
        True gives the beginning of a larger one.

    Raises
    ------
    OSError
        If it cannot be read, is no file or too large.
    """
    with open_file(path) as file:
        content = file.read(most + 1)
    if len(content) > most and not cut:
        raise OSError(f"{str(path)!r} has more than {most >> 20} MB")
    return content[:most]


def decoded(content: bytes) -> str:
    """Give the text of a file as pip reads it: a byte order mark tells the encoding, else UTF-8.

    PowerShell's ``pip freeze > requirements.txt`` writes UTF-16.

    Raises
    ------
    UnicodeDecodeError
        If it is none.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content.decode(encoding)
    return content.decode("utf-8")


def code_lines(text: str) -> list[str]:
    """Give the lines of a text, with their ends, as Python counts them: `splitlines` knows more."""
    return _LINE.findall(text)


class Places:
    """Where in a text the nodes of its tree are: those count lines, and bytes in them.

    Parameters
    ----------
    text
        The text.
    """

    def __init__(self, text: str) -> None:
        self._text = text
        self._lines = [0]
        for line in code_lines(text):
            self._lines.append(self._lines[-1] + len(line))

    def at(self, line: int, column: int) -> int:
        """Give the character at a line, from 1 on, and a byte of it."""
        start = self._lines[line - 1]
        whole = self._text[start : self._lines[line]].encode()
        return start + len(whole[:column].decode())

    def of(self, node: ast.expr) -> tuple[int, int]:
        """Give where an expression begins and ends."""
        end_line, end_column = node.end_lineno or node.lineno, node.end_col_offset or 0
        return self.at(node.lineno, node.col_offset), self.at(end_line, end_column)


def parse_code(text: str, name: str = "<unknown>") -> ast.Module:
    """Read Python.

    Raises
    ------
    SyntaxError
        If it is none, or so deep that nothing can be done with it.
    """
    if len(text) > _LONGEST:
        raise SyntaxError("too long")
    try:
        tree = ast.parse(text, name)
    except ValueError as error:
        # What Python before 3.11.4 says of null bytes.
        raise SyntaxError(str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise SyntaxError("too deeply nested") from error
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise SyntaxError("too deeply nested")

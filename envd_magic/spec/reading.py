"""Files and code that somebody else names or writes, read with an end."""

from __future__ import annotations

import ast
import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Deeper code makes whatever walks over it end in a RecursionError.
_DEEPEST = 150
# A file of text that is larger is none of those that are read here.
_LARGEST = 64 << 20


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
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(f"{str(path)!r} is no file")
        content = file.read(most + 1)
    if len(content) > most and not cut:
        raise OSError(f"{str(path)!r} has more than {most >> 20} MB")
    return content[:most]


def parse_code(text: str, name: str = "<unknown>") -> ast.Module:
    """Read Python.

    Raises
    ------
    SyntaxError
        If it is none, or so deep that nothing can be done with it.
    """
    try:
        tree = ast.parse(text, name)
    except (ValueError, RecursionError, MemoryError) as error:
        # A null byte, or what the parser's stack cannot hold.
        raise SyntaxError(str(error) or "too deeply nested") from error
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [inner for node in level for inner in ast.iter_child_nodes(node)]
        if not level:
            return tree
    raise SyntaxError("too deeply nested")

"""Where a cursor is in Python that is still being written: in which call, in which string.

A real parser wants whole programs; this reads what is before the cursor and forgives the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME_BEFORE = re.compile(r"([A-Za-z_][\w.]*)\s*$")
_TOKEN = re.compile(r"[A-Za-z_]\w*$")
_FIELD = re.compile(r"([A-Za-z_]\w*)\s*=\s*$")
_ARGUMENT = re.compile(r"(\w+)\s*=(?!=)")
_QUOTES = ('"""', "'''", '"', "'")


@dataclass(frozen=True)
class Position:
    """A place in a text.

    Parameters
    ----------
    call
        What is called around it, "" if nothing is: ``ImageSpec``.
    depth
        How many brackets are open.
    token
        The part of a name that stands before it.
    string
        What stands in the string before it; None outside strings.
    field
        Name of the argument or the variable whose value it is in, "" if in none.
    starts
        True where an argument or a statement starts.
    arguments
        Names that the call has already.
    """

    call: str
    depth: int
    token: str
    string: str | None
    field: str
    starts: bool
    arguments: frozenset[str] = frozenset()


def position(text: str) -> Position:
    """Say where the end of a text is."""
    opened, string_at = _scan(text)
    outside = text if string_at is None else text[:string_at]
    call_at = next((at for at in reversed(opened) if _called(text, at)), None)
    token = match[0] if string_at is None and (match := _TOKEN.search(text)) else ""
    before = outside[: len(outside) - len(token)].rstrip(" \t")
    # The value of an argument may be in brackets of its own.
    own = opened[-1] if opened and call_at != opened[-1] else None
    field = _FIELD.search(outside[:own] if own is not None else outside)
    inside = call_at is not None and opened[-1] == call_at
    return Position(
        call=_called(text, call_at) if call_at is not None else "",
        depth=len(opened),
        token=token,
        string=None if string_at is None else text[string_at:].lstrip("\"'"),
        field=field[1] if field else "",
        starts=string_at is None
        and (before.rstrip()[-1:] in "(," if inside else not opened and before[-1:] in ("", "\n")),
        arguments=frozenset(_ARGUMENT.findall(text[call_at:]) if call_at is not None else ()),
    )


def _called(text: str, at: int) -> str:
    match = _NAME_BEFORE.search(text[:at]) if text[at] == "(" else None
    return match[1].rpartition(".")[2] if match else ""


def _scan(text: str) -> tuple[list[int], int | None]:
    """Give where brackets are open, and where the string starts that is open."""
    opened: list[int] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "#":
            at = text.find("\n", at) if "\n" in text[at:] else len(text)
            continue
        if quote := next((q for q in _QUOTES if text.startswith(q, at)), None):
            end = _string_end(text, at + len(quote), quote)
            if end is None:
                return opened, at
            at = end
            continue
        if char in "([{":
            opened.append(at)
        elif char in ")]}" and opened:
            opened.pop()
        at += 1
    return opened, None


def _string_end(text: str, at: int, quote: str) -> int | None:
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif text.startswith(quote, at):
            return at + len(quote)
        elif text[at] == "\n" and len(quote) == 1:
            return at
        else:
            at += 1
    return None

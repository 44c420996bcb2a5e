"""Where a cursor is in text that is still being written: in which call, which string, which field.

A real parser wants whole programs; this reads what is before the cursor and forgives the rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_NAME_BEFORE = re.compile(r"(?<![\w.])([A-Za-z_][\w.]*)\s*$")
_TOKEN = re.compile(r"(?<!\w)[A-Za-z_]\w*\Z")
_FIELD = re.compile(r"(?<!\w)([A-Za-z_]\w*)\s*=\s*[rbfuRBFU]{0,2}\Z")
_ARGUMENT = re.compile(r"\b(\w+)\s*=(?!=)")
_ASSIGNED = re.compile(r"^(\w+)\s*=(?!=)", re.MULTILINE)
_QUOTES = ('"""', "'''", '"', "'")
_YAML_KEY = re.compile(r"( *)(- +)?(\w+)(?:: *(.*))?$")
_YAML_ITEM = re.compile(r"( *)- +(.*)$")


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
        Names that the call, or the text where there is no call, has already.
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
    opened, string_at, code = _scan(text)
    call_at = next((at for at in reversed(opened) if _called(code, at)), None)
    token = match[0] if string_at is None and (match := _TOKEN.search(code)) else ""
    before = code[: len(code) - len(token)].rstrip(" \t")
    # The value of an argument may be in brackets of its own.
    own = opened[-1] if opened and call_at != opened[-1] else None
    field = _FIELD.search(code[:own] if own is not None else code[:string_at])
    inside = call_at is not None and opened[-1] == call_at
    begins = before.rstrip()[-1:] in "(," if inside else not opened and before[-1:] in ("", "\n")
    return Position(
        call=_called(code, call_at) if call_at is not None else "",
        depth=len(opened),
        token=token,
        string=None if string_at is None else _written(text[string_at:]),
        field=field[1] if field else "",
        starts=string_at is None and begins,
        arguments=_arguments(code, call_at),
    )


def _written(string: str) -> str:
    quote = next(quote for quote in _QUOTES if string.startswith(quote))
    return string.removeprefix(quote)


def _arguments(code: str, call_at: int | None) -> frozenset[str]:
    """Give the names that stand before a sign of equality in a call, not in the calls inside."""
    if call_at is None:
        return frozenset(_ASSIGNED.findall(code))
    own, depth = [], 0
    for char in code[call_at + 1 :]:
        depth += (char in "([{") - (char in ")]}")
        own.append(char if depth <= 0 else " ")
    return frozenset(_ARGUMENT.findall("".join(own)))


def _called(code: str, at: int) -> str:
    match = _NAME_BEFORE.search(code[:at]) if code[at] == "(" else None
    return match[1].rpartition(".")[2] if match else ""


def _scan(text: str) -> tuple[list[int], int | None, str]:
    """Give where brackets are open, where the open string starts, and the text without strings.

    What stands in strings and comments is blanked; every character keeps its place.
    """
    opened: list[int] = []
    code: list[str] = []
    at = 0
    while at < len(text):
        char = text[at]
        if char == "#":
            end = text.find("\n", at) if "\n" in text[at:] else len(text)
            code.append(" " * (end - at))
            at = end
            continue
        if quote := next((q for q in _QUOTES if text.startswith(q, at)), None):
            end_at = _string_end(text, at + len(quote), quote)
            # A mark stays, so that a string is not taken for nothing at all.
            code.append(f"{char}{' ' * ((end_at or len(text)) - at - 1)}")
            if end_at is None:
                return opened, at, "".join(code)
            code[-1] = f"{code[-1][:-1]}{quote[0]}"
            at = end_at
            continue
        if char in "([{":
            opened.append(at)
        elif char in ")]}" and opened:
            opened.pop()
        code.append(char)
        at += 1
    return opened, None, "".join(code)


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


@dataclass(frozen=True)
class YamlPosition:
    """A place in YAML of fields.

    Parameters
    ----------
    field
        Name of the field whose value it is in; "" where a field is to be named.
    written
        What stands of the name or of the value.
    named
        Fields that the mapping has already.
    """

    field: str
    written: str
    named: frozenset[str] = frozenset()


def yaml_position(text: str) -> YamlPosition | None:
    """Say where the end of a text is, or None if no field can stand there and no value of one."""
    *before, line = text.split("\n")
    # A mapping in a list, or below `base_image:`, stands further in than the text.
    top = _top(before, line)
    if match := re.fullmatch(r"( *)(- +)?(\w*)", line):
        column = len(match[1]) + len(match[2] or "")
        if column == top:
            return YamlPosition("", match[3], _named(before, top) if not match[2] else frozenset())
    if (match := _YAML_KEY.fullmatch(line)) and match[4] is not None:
        column = len(match[1]) + len(match[2] or "")
        return YamlPosition(match[3], match[4].lstrip("[\"'")) if column == top else None
    match = _YAML_ITEM.fullmatch(line)
    owner = _owner(before, len(match[1]) if match else 0, top)
    return YamlPosition(owner, match[2].lstrip("\"'")) if match and owner else None


def _top(before: list[str], line: str) -> int:
    """Give the column in which the names of fields stand."""
    for earlier in reversed(before):
        if re.fullmatch(r" *(- +)?base_image: *", earlier):
            inner = len(line) - len(line.lstrip(" "))
            outer = len(re.match(r" *(- +)?", earlier)[0])  # type: ignore[index]  # matches always
            if inner > outer:
                return inner
    first = next((one for one in [*before, line] if one.strip() and one.lstrip()[:1] != "#"), "")
    match = re.match(r"- +(?=\w)|- +$", first)
    return len(match[0]) if match else 0


def _named(before: list[str], top: int) -> frozenset[str]:
    names: set[str] = set()
    for line in reversed(before):
        match = _YAML_KEY.match(line)
        if match and len(match[1]) + len(match[2] or "") == top:
            names.add(match[3])
        if (match and match[2] and top) or (line.strip() and _indent(line) < top and not match):
            break
    return frozenset(names)


def _owner(before: list[str], indent: int, top: int) -> str:
    """Give the field whose list an item at some indent belongs to."""
    for line in reversed(before):
        match = _YAML_KEY.fullmatch(line)
        if match and len(match[1]) + len(match[2] or "") == top and indent >= top:
            return match[3] if not match[4] else ""
    return ""


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))

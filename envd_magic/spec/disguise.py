r"""A secret value however it is quoted: one pattern for all the ways.

A value reaches a log or a preview through Starlark, a shell, JSON, a URL, HTML or Python's `repr`,
often through several of them. All of them leave letters and digits as they are, put quotes and
backslashes around or between characters, and write other characters as codes. So the pattern takes
any quotes and backslashes between two characters, and each character in its codes.
"""

from __future__ import annotations

import base64
import html
import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = re.compile("[A-Za-z0-9]+")
# A percent sign or an ampersand that was quoted again is followed by its own code.
_PERCENT, _AND = "%(?:25)*", "&(?:amp;)*"
# What quoting adds, itself quoted or not, in as many layers as there are.
_QUOTE = f"(?:['\"\\\\]|{_PERCENT}(?:2[27]|5[Cc])|{_AND}(?:quot|#x27|#39|#34);)"
_BETWEEN = f"{_QUOTE}*"
# A quote of the value itself may be a code as well. No two alternatives match the same: a pattern
# that can match in two ways at each of many places takes for ever where it does not match.
_OWN_QUOTE = f"(?:{_QUOTE}|(?:u00|U0{{6}}|x)(?:2[27]|5[Cc])|042|047|134)"
_URL_SAFE = str.maketrans("+/", "-_")
_LETTERS = {"\t": "t", "\n": "n", "\r": "r", "\f": "f", "\v": "v", "\b": "b", "\a": "a"}


@lru_cache(maxsize=1024)
def disguised(value: str) -> re.Pattern[str]:
    r"""Give the pattern of a value in every quoted form.

    >>> disguised("it's").sub("*", '''export A='it'"'"'s' "it\'s" it%27s''')
    'export A=\'*\' "*" *'
    """
    # A run of quotes takes what is added around it too: two such patterns side by side could
    # share what they find in endlessly many ways.
    parts, start = [], 0
    for run in re.finditer(f"{_QUOTE}+", value):
        parts.append(_BETWEEN.join(map(_character, value[start : run.start()])))
        parts.append(f"{_OWN_QUOTE}{{{len(re.findall(_QUOTE, run[0]))},}}")
        start = run.end()
    parts.append(_BETWEEN.join(map(_character, value[start:])))
    return re.compile("".join(parts))


def encoded(value: str) -> Iterator[str]:
    """Give what base64 makes of a value, whatever bytes stand around it.

    That is what a login comes to in a header, or in docker's configuration.
    """
    content = value.encode("utf-8", "surrogatepass")
    for before in range(3):
        text = base64.b64encode(bytes(before) + content).decode("ascii")
        # A character is six bits: those that hold bits of other bytes too are left out.
        found = text[-(-8 * before // 6) : 8 * (before + len(content)) // 6]
        yield from dict.fromkeys((found, found.translate(_URL_SAFE)))


def core(value: str) -> str:
    """Give the longest part of a value that no quoting changes."""
    return max(_PLAIN.findall(value), key=len, default="")


def _character(char: str) -> str:
    if _PLAIN.fullmatch(char):
        return char
    itself = {"%": _PERCENT, "&": _AND}.get(char, re.escape(char))
    return f"(?:{'|'.join(dict.fromkeys((itself, *_codes(char))))})"


def _codes(char: str) -> Iterator[str]:
    """Patterns of a character's codes, without the backslashes before the first."""
    number, encoded = ord(char), char.encode("utf-8", "surrogatepass")
    wide = char.encode("utf-16-be", "surrogatepass").hex()
    if char != "%":
        yield "".join(f"(?i:{_PERCENT}{byte:02x})" for byte in encoded)
    yield _BETWEEN.join(f"(?i:u{wide[at : at + 4]})" for at in range(0, len(wide), 4))
    yield f"(?i:U{number:08x})"
    yield f"(?i:{_AND}#x{number:x};)"
    yield f"{_AND}#{number};"
    yield _BETWEEN.join(f"(?i:x{byte:02x})" for byte in encoded)
    yield _BETWEEN.join(f"{byte:03o}" for byte in encoded)
    if number <= 0xFF:  # noqa: PLR2004
        yield f"(?i:x{number:02x})"
    if char in "<>":
        yield _AND + html.escape(char)[1:]
    if char == " ":
        yield rf"\+|{_PERCENT}2[Bb]"
    if char in _LETTERS:
        yield _LETTERS[char]

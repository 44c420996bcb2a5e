"""Quoting, all of it.

A string of a spec crosses up to three languages on its way into an image: bash, envd's own
splitting of words (google/shlex) and Starlark. Each has one function here, and nothing else in the
package quotes anything.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# https://github.com/google/starlark-go/blob/master/doc/spec.md#string-literals: escapes of two
# hexadecimal digits stop at 0x7f, the others take four or eight.
_STARLARK_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f]")
# https://www.gnu.org/software/bash/manual/html_node/Bash-Variables.html
_READ_ONLY = {"UID", "EUID", "PPID", "BASHOPTS", "SHELLOPTS", "BASH_VERSINFO"}
_NEEDS_ESCAPE = re.compile('[\\\\"\x00-\x1f\x7f]')


def starlark(value: str) -> str:
    r"""A Starlark string on one line.

    >>> starlark('say "hi"\n')
    '"say \\"hi\\"\\n"'
    """
    return '"' + _NEEDS_ESCAPE.sub(_escape, value) + '"'


def _escape(match: re.Match[str]) -> str:
    char = match[0]
    return _STARLARK_ESCAPES.get(char) or f"\\x{ord(char):02x}"


def starlark_block(value: str) -> str:
    """A Starlark string over several lines, readable as it stands."""
    # Only a quote before another, or before the end, could end the string.
    text = re.sub(r'"(?="|\Z)', r'\\"', value.replace("\\", "\\\\"))
    return '"""' + _CONTROL.sub(_escape, text) + '"""'


def starlark_list(values: Iterable[str]) -> str:
    """A list of Starlark strings."""
    return "[" + ", ".join(starlark(value) for value in values) + "]"


def run_script(script: str) -> str:
    """The argument of `run(commands=[…])` for a bash script that is to arrive as it is.

    envd puts the commands into ``bash -c '…'`` and splits that into words as a POSIX shell would,
    so that a single quote in a script would end it (and, without a word, drop what follows).
    """
    return starlark_block(script.replace("'", "'\\''"))


def shell(value: str) -> str:
    """One word of a shell."""
    return shlex.quote(value)


def exports(variables: Mapping[str, str]) -> str:
    """Lines of bash that export variables; what bash can export none of is left out."""
    return "".join(
        f"export {name}={shell(value)}\n"
        for name, value in variables.items()
        if re.fullmatch(r"[A-Za-z_]\w*", name, re.ASCII) and name not in _READ_ONLY
    )


def heredoc(text: str, word: str) -> str:
    """A here-document, from the line after its operator on; the text must end a line.

    Parameters
    ----------
    text
        Taken as it is: the operator must be ``<<'WORD'``.
    word
        The end word; :func:`heredoc_word` gives one that the text does not have.
    """
    return f"{text}{'' if text.endswith(chr(10)) else chr(10)}{word}\n"


def heredoc_word(text: str, word: str) -> str:
    """Give an end word that is no line of the text."""
    lines = set(text.splitlines())
    while word in lines:
        word += "_"
    return word

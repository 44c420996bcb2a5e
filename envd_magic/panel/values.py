"""Values of ImageSpec's fields as the text that a person types, and back.

What is typed is kept as text until it can be read, so that nothing is lost while it is wrong. A
value that lines cannot carry (one with a line break in it, or blanks at its end) is written as a
JSON string, and such a string is read as what it stands for.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from envd_magic.spec.fields import BY_NAME
from envd_magic.spec.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: Stands before the name of a variable that holds the ImageSpec to start from.
SPEC_PREFIX = "spec: "
_ARROW = " -> "
_NONE_AT_ALL = "[]"
_PACKAGES = ("packages", "runtime_packages", "conda_packages")
_FREE = ("builder_options", "builder_config")
# pip's rule: a comment begins at the line's start or after a blank.
# https://pip.pypa.io/en/stable/reference/requirements-file-format/#comments
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_NAME = re.compile(r"[^=\s]+")


class Unreadable(Exception):  # noqa: N818 - a value that is being typed is no error of a program
    """Text that stands for no value of its field; its problem is the argument."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


def to_text(name: str, value: Any) -> str:
    """Give the text that stands for a field's value.

    Parameters
    ----------
    name
        The field's.
    value
        As an ImageSpec has it; None gives "".
    """
    if value is None:
        return ""
    kind = BY_NAME[name].kind
    if kind == "list":
        return "\n".join(map(_line, value)) if value else _NONE_AT_ALL
    if kind == "mapping":
        return "\n".join(f"{key}={_mapped(name, item)}" for key, item in value.items())
    if kind == "pairs":
        return "\n".join(f"{source}{_ARROW}{target}" for source, target in value)
    if kind == "choice":
        return str(getattr(value, "name", value))
    return str(value)


def from_text(name: str, text: str, namespace: Mapping[str, Any]) -> Any:
    """Read the value that a text stands for; nothing typed is None.

    Parameters
    ----------
    name
        The field's.
    text
        As it is typed.
    namespace
        The notebook's variables, for a base image that is one of its ImageSpecs.

    Raises
    ------
    Unreadable
        If it stands for none.
    """
    kind = BY_NAME[name].kind
    if not text.strip():
        return None
    if kind in _READERS:
        return _READERS[kind](name, text)
    if kind == "image" and text.startswith(SPEC_PREFIX):
        return _read_spec(name, text.removeprefix(SPEC_PREFIX).strip(), namespace)
    return text.strip()


def _line(item: Any) -> str:
    text = str(item)
    if text != text.strip() or not text or "\n" in text or "\r" in text or text[0] in '"[#':
        return json.dumps(text, ensure_ascii=False)
    return text


def _mapped(name: str, value: Any) -> str:
    if isinstance(value, str):
        bent = name in _FREE and not isinstance(_json(value), (str, type(None)))
        return json.dumps(value, ensure_ascii=False) if bent else _line(value)
    return json.dumps(value, ensure_ascii=False, default=str)


def _json(text: str) -> Any:
    """Read JSON; None if it is none."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _unquoted(text: str) -> str:
    value = _json(text) if text.startswith('"') else None
    return value if isinstance(value, str) else text


def _read_list(name: str, text: str) -> list[str]:
    if text.strip() == _NONE_AT_ALL:
        return []
    lines = [line.strip() for line in text.split("\n")]
    if name in _PACKAGES:
        # A pasted requirements file has comments.
        lines = [_COMMENT.sub("", line).strip() for line in lines]
    return [_unquoted(line) for line in lines if line]


def _read_mapping(name: str, text: str) -> dict[str, Any]:
    return dict(_read_pair(name, line) for line in text.split("\n") if line.strip())


def _read_pair(name: str, line: str) -> tuple[str, Any]:
    key, equals, value = line.strip().partition("=")
    if not equals or not _NAME.fullmatch(key.strip()):
        raise Unreadable(Problem(name, "expected NAME=value, one a line", line.strip()))
    if name in _FREE and (found := _json(value.strip())) is not None:
        return key.strip(), found
    return key.strip(), _unquoted(value.strip())


def _read_mounts(name: str, text: str) -> list[tuple[str, str]]:
    return [_read_mount(name, line) for line in text.split("\n") if line.strip()]


def _read_mount(name: str, line: str) -> tuple[str, str]:
    source, arrow, target = line.strip().partition(_ARROW)
    if not arrow or not target.strip():
        raise Unreadable(Problem(name, f"expected SOURCE{_ARROW}TARGET, one a line", line.strip()))
    return source.strip(), target.strip()


def _read_choice(name: str, text: str) -> Any:
    from flytekit.constants import CopyFileDetection

    text = text.strip()
    if text not in CopyFileDetection.__members__:
        raise Unreadable(
            Problem(name, f"expected one of {', '.join(CopyFileDetection.__members__)}")
        )
    return CopyFileDetection[text]


def _read_spec(name: str, variable: str, namespace: Mapping[str, Any]) -> Any:
    from flytekit import ImageSpec

    value = namespace.get(variable)
    if not isinstance(value, ImageSpec):
        raise Unreadable(
            Problem(name, f"there is no variable {variable!r} that holds an ImageSpec")
        )
    return value


_READERS: dict[str, Callable[[str, str], Any]] = {
    "list": _read_list,
    "mapping": _read_mapping,
    "pairs": _read_mounts,
    "choice": _read_choice,
}

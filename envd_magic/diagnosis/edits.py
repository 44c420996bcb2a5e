"""A fix made on a copy of a spec, and what that changes."""

from __future__ import annotations

import dataclasses
import difflib
import shlex
from typing import TYPE_CHECKING, Any

from envd_magic.spec.fields import BY_NAME
from envd_magic.spec.source import format_spec

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.diagnosis.model import Change, Fix


def fixed(spec: ImageSpec, fix: Fix) -> ImageSpec:
    """Give a copy of a spec with what a fix changes; the spec stays as it is.

    Raises
    ------
    ValueError
        If the spec is none that the fix is for.
    """
    for change in fix.changes:
        spec = _changed(spec, change.field, change)
    return spec


def _changed(spec: Any, field: str, change: Change) -> Any:
    outer, dot, inner = field.partition(".")
    if dot:
        below = getattr(spec, outer)
        if not dataclasses.is_dataclass(below):
            raise ValueError(f"{outer} is no ImageSpec here")
        return dataclasses.replace(spec, **{outer: _changed(below, inner, change)})
    new = changed_value(field, getattr(spec, field), change)
    return dataclasses.replace(spec, **{field: new})


def changed_value(field: str, value: Any, change: Change) -> Any:
    """Give what a field's value becomes; the value itself stays as it is.

    Raises
    ------
    ValueError
        If there is nothing to change where the change is.
    """
    if change.do == "set":
        return change.value
    kind = BY_NAME[field].kind
    if kind == "mapping":
        return _changed_mapping(dict(value or {}), change)
    if kind == "list":
        return _changed_list(list(value or []), change)
    return _changed_words(value or "", change)


def _changed_mapping(value: dict[str, Any], change: Change) -> dict[str, Any] | None:
    if change.do == "remove":
        value.pop(str(change.at), None)
        return value or None
    return {**value, str(change.at): change.value}


def _changed_words(value: str, change: Change) -> str | None:
    if change.do == "add":
        return f"{value} {change.value}".strip()
    words, gone = shlex.split(value), shlex.split(str(change.at))
    for start in range(len(words)):
        if words[start : start + len(gone)] == gone:
            new = shlex.split(change.value or "")
            return shlex.join([*words[:start], *new, *words[start + len(gone) :]]) or None
    raise ValueError(f"there is no {change.at!r} in it")


def _changed_list(value: list[Any], change: Change) -> list[Any] | None:
    if change.do == "add":
        return value if change.value in value else [*value, change.value]
    if not isinstance(change.at, int) or not 0 <= change.at < len(value):
        raise ValueError(f"there is no item {change.at}")
    if change.do == "remove":
        del value[change.at]
    elif change.do == "rewrite":
        old, new = change.value
        value[change.at] = value[change.at].replace(old, new, 1)
    else:
        value[change.at] = change.value
    return value or None


def difference(spec: ImageSpec, fix: Fix) -> list[str]:
    """Give what a fix changes in a formatted spec, secrets masked: lines that begin with + or -."""
    before = format_spec(spec).splitlines()
    after = format_spec(fixed(spec, fix)).splitlines()
    lines = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
    return [line for line in lines if not line.startswith("@@")]

"""A fix made in the Python that makes a spec: what the user wrote stays as it is beside it.

The text of a cell may have more than literals in it, and secrets that are nowhere else. So a fix
changes the literals that it is about, where they stand; what is no literal is wrapped.
"""

from __future__ import annotations

import ast
import keyword
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.diagnosis.edits import changed_value
from envd_magic.spec.fields import BY_NAME
from envd_magic.spec.reading import Places

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envd_magic.diagnosis.model import Change

_INDENT = "    "


class NotFoundError(Exception):
    """The text has not what a fix changes."""


@dataclass(frozen=True)
class _Edit:
    """Put a text in place of what stands from one place to another."""

    start: int
    end: int
    text: str


def rewritten(text: str, changes: Iterable[Change], number: int = 0) -> str:
    """Make changes in the text of a cell.

    Parameters
    ----------
    text
        Python that makes an ImageSpec: an expression that ends it, or assignments of its fields.
    changes
        What to change.
    number
        Of which spec, where the last expression is a list or a mapping of them.

    Raises
    ------
    NotFoundError
        If the text does not show what is to be changed.
    """
    for change in changes:
        text = _once(text, change, number)
    return text


def _once(text: str, change: Change, number: int) -> str:
    source = _Source(text)
    call = source.call(number)
    *outer, field = change.field.split(".")
    for name in outer:
        call = _keyword(call, name) if call is not None else None
        if not isinstance(call, ast.Call):
            raise NotFoundError(change.field)
    if call is not None and not isinstance(call, ast.Call):
        raise NotFoundError(change.field)
    value = source.assigned(field) if call is None else _keyword(call, field)
    if value is None:
        new = changed_value(field, None, change)
        edit = source.addition(call, field, new)
    else:
        edit = source.change(call, field, value, change)
    changed = text if edit is None else text[: edit.start] + edit.text + text[edit.end :]
    ast.parse(changed)
    return changed


def _keyword(call: ast.AST | None, name: str) -> ast.expr | None:
    keywords = call.keywords if isinstance(call, ast.Call) else []
    if any(one.arg is None for one in keywords):
        # What two stars bring cannot be seen.
        raise NotFoundError(name)
    return next((one.value for one in keywords if one.arg == name), None)


class _Source:
    """A text with what it says."""

    def __init__(self, text: str) -> None:
        try:
            self.tree = ast.parse(text)
        except (SyntaxError, ValueError) as error:
            raise NotFoundError(str(error)) from error
        self.text = text
        self._places = Places(text)

    def call(self, number: int) -> ast.expr | None:
        """Give the call that makes the spec; None where fields are assigned."""
        last = self.tree.body[-1] if self.tree.body else None
        if not isinstance(last, ast.Expr):
            return None
        value: ast.expr | None = last.value
        if isinstance(value, ast.List):
            value = value.elts[number] if number < len(value.elts) else None
        elif isinstance(value, ast.Dict):
            value = value.values[number] if number < len(value.values) else None
        if isinstance(value, ast.Call) and _called(value) == "ImageSpec" and not value.args:
            return value
        raise NotFoundError("ImageSpec")

    def assigned(self, field: str) -> ast.expr | None:
        """Give the value that a field is assigned last, at the top of the text."""
        found: ast.expr | None = None
        for one in self.tree.body:
            if isinstance(one, ast.Assign) and any(_named(target, field) for target in one.targets):
                found = one.value
            elif any(_named(node, field) for node in ast.walk(one) if isinstance(node, ast.Name)):
                named = [n for n in ast.walk(one) if _named(n, field)]
                if any(isinstance(getattr(node, "ctx", None), ast.Store) for node in named):
                    raise NotFoundError(field)
        return found

    def place(self, node: ast.expr) -> tuple[int, int]:
        """Give where an expression begins and ends."""
        return self._places.of(node)

    def addition(self, call: ast.expr | None, field: str, value: Any) -> _Edit | None:
        """Give a field that was not there."""
        if value is None:
            return None
        if call is None:
            end = len(self.text.rstrip())
            return _Edit(end, end, f"\n{field} = {value!r}")
        start, end = self.place(call)
        inside = self.text[start : end - 1].rstrip()
        at = start + len(inside)
        comma = "" if inside.endswith(("(", ",")) else ","
        if "\n" not in self.text[start:end]:
            space = " " if comma or inside.endswith(",") else ""
            return _Edit(at, at, f"{comma}{space}{field}={value!r}")
        indent = self._indent(call)
        return _Edit(at, at, f"{comma}\n{indent}{field}={value!r},")

    def _indent(self, call: ast.expr) -> str:
        """Give what stands before the arguments of a call over several lines."""
        arguments = call.keywords if isinstance(call, ast.Call) else []
        first = next((one for one in arguments if one.lineno > call.lineno), None)
        if first is None:
            return " " * call.col_offset + _INDENT
        return " " * first.col_offset

    def change(self, call: ast.expr | None, field: str, value: ast.expr, change: Change) -> _Edit:
        """Give the change of a field that is there."""
        start, end = self.place(value)
        if change.do == "set":
            return (
                self._without(call, field, value)
                if change.value is None
                else _Edit(start, end, repr(change.value))
            )
        kind = BY_NAME[field].kind
        if kind == "list" and isinstance(value, ast.List) and not _starred(value):
            return self._in_list(value, change) or self._without(call, field, value)
        if kind == "list" and change.do == "add":
            return _Edit(start, end, f"[*{self.text[start:end]}, {change.value!r}]")
        try:
            known = ast.literal_eval(value)
        except ValueError as error:
            if kind == "mapping" and isinstance(value, ast.Dict):
                return self._in_mapping(value, change)
            raise NotFoundError(field) from error
        new = changed_value(field, known, change)
        return self._without(call, field, value) if new is None else _Edit(start, end, repr(new))

    def _in_list(self, value: ast.List, change: Change) -> _Edit | None:
        start, end = self.place(value)
        if change.do == "add":
            inside = self.text[start : end - 1].rstrip()
            at = start + len(inside)
            if not value.elts:
                return _Edit(start, end, f"[{change.value!r}]")
            comma = "" if inside.endswith(",") else ","
            if value.elts[-1].lineno > value.lineno:
                before = " " * value.elts[-1].col_offset
                return _Edit(at, at, f"{comma}\n{before}{change.value!r},")
            return _Edit(at, at, f"{comma} {change.value!r}")
        if not isinstance(change.at, int) or change.at >= len(value.elts):
            raise NotFoundError(str(change.at))
        item = value.elts[change.at]
        first, last = self.place(item)
        if change.do == "remove":
            return self._without_item(value, change.at) if len(value.elts) > 1 else None
        if change.do == "rewrite":
            old, new = change.value
            if not isinstance(item, ast.Constant) or old not in str(item.value):
                raise NotFoundError(old)
            return _Edit(first, last, repr(str(item.value).replace(old, new, 1)))
        return _Edit(first, last, repr(change.value))

    def _without_item(self, value: ast.List, at: int) -> _Edit:
        first, last = self.place(value.elts[at])
        if at + 1 < len(value.elts):
            return _Edit(first, self.place(value.elts[at + 1])[0], "")
        return _Edit(self.place(value.elts[at - 1])[1], last, "")

    def _in_mapping(self, value: ast.Dict, change: Change) -> _Edit:
        names = [one.value if isinstance(one, ast.Constant) else None for one in value.keys]
        if change.do != "remove" or change.at not in names or len(names) < 2:  # noqa: PLR2004
            raise NotFoundError(str(change.at))
        at = names.index(change.at)
        key = value.keys[at]
        if key is None:
            raise NotFoundError(str(change.at))
        following = value.keys[at + 1] if at + 1 < len(names) else None
        if following is not None:
            return _Edit(self.place(key)[0], self.place(following)[0], "")
        return _Edit(self.place(value.values[at - 1])[1], self.place(value.values[at])[1], "")

    def _without(self, call: ast.expr | None, field: str, value: ast.expr) -> _Edit:
        """Take a field out."""
        if not isinstance(call, ast.Call):
            start, end = self.place(value)
            return _Edit(start, end, "None")
        names = [one.arg for one in call.keywords]
        at = names.index(field)
        begins = [self._places.at(one.lineno, one.col_offset) for one in call.keywords]
        if at + 1 < len(names):
            return _Edit(begins[at], begins[at + 1], "")
        end = self.place(value)[1]
        if at:
            return _Edit(self.place(call.keywords[at - 1].value)[1], end, "")
        return _Edit(begins[at], end, "")


def _called(call: ast.Call) -> str:
    function = call.func
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def _named(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name


def _starred(value: ast.List) -> bool:
    return any(isinstance(one, ast.Starred) for one in value.elts)


def replacing(expression: str, spec: Any, fixed: Any, fields: Iterable[str]) -> str:
    """Give an expression that makes the fixed spec out of the one that another expression gives.

    Parameters
    ----------
    expression
        Gives the spec.
    spec
        That spec.
    fixed
        The fixed one.
    fields
        What was changed; a base spec's as ``base_image.packages``.
    """
    parts: dict[str, list[str]] = {}
    for field in fields:
        outer, _, inner = field.partition(".")
        parts.setdefault(outer, []).extend([inner] if inner else [])
    words = []
    for outer, below in parts.items():
        value = getattr(fixed, outer)
        if below:
            old, where = getattr(spec, outer), f"{expression}.{outer}"
            words.append(f"{outer}={replacing(where, old, value, below)}")
        else:
            words.append(f"{outer}={value!r}")
    return f"replace({expression}, {', '.join(words)})"


def is_plain(expression: str) -> bool:
    """Is an expression a name, or a name with an index or an attribute behind it?"""
    try:
        node: ast.AST = ast.parse(expression, mode="eval").body
    except SyntaxError:
        return False
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return isinstance(node, ast.Name) and not keyword.iskeyword(node.id)

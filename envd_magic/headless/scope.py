"""What names stand for in code that is not run, as far as literals tell."""

from __future__ import annotations

import ast
import copy
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from envd_magic.headless.aliases import Aliases, root
from envd_magic.spec.bounds import Bounds, Literal
from envd_magic.spec.literal import (
    BUILTINS,
    IMPORTED,
    NotLiteralError,
    free_names,
    is_known_import,
    require_literal,
)
from envd_magic.spec.reading import parse_code

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A place in code: number of the cell, and of the statement in it.
Position: TypeAlias = tuple[int, int]

_CHANGERS = frozenset(
    {
        "add",
        "append",
        "clear",
        "discard",
        "extend",
        "insert",
        "pop",
        "popitem",
        "remove",
        "reverse",
        "setdefault",
        "sort",
        "update",
    }
)
# What may read a list without changing it.
_READERS = BUILTINS | IMPORTED | {"enumerate", "len", "print", "repr", "zip"}
# Names that stand for names that stand for names.
_DEEPEST = 50
# What it costs to evaluate anything, in items.
_EVALUATION = 10
_WORD = re.compile(r"\w+")
# A longer one takes IPython's patterns long.
_LONGEST_LINE = 10_000
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


@dataclass
class _Given:
    """What a name is given at a place: by a statement, or a value."""

    at: Position
    statement: ast.stmt | None = None
    value: Any = None
    simple: bool = True


@dataclass
class Scope:
    """The names of a notebook, or of a Python file, in the order in which they are given.

    Parameters
    ----------
    settings
        What ``%config EnvdMagic`` has said so far; an error where that is not known.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    bounds: Bounds = field(default_factory=Bounds)
    _given: dict[str, list[_Given]] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _lent: set[str] = field(default_factory=set)
    _aliases: Aliases = field(default_factory=Aliases)
    _makers: set[str] = field(default_factory=set)
    # Words of code that cannot be read, each with the first place of it.
    _opaque: dict[str, Position] = field(default_factory=dict)
    # What was evaluated since the scope last changed, by the statement's `id`.
    _known: dict[int, Any] = field(default_factory=dict)
    _depth: int = 0

    def add(self, number: int, tree: ast.Module) -> None:
        """Take a cell's code, or a whole file's."""
        self._known.clear()
        for index, statement in enumerate(tree.body):
            self._take((number, index), statement)
        changed = set(_changed(tree))
        self._changed |= changed
        self._lent |= set(_lent(tree))
        self._aliases.add(tree, changed)

    def add_opaque(self, at: Position, text: str) -> None:
        """Take code that cannot be read: any name in it may be changed there."""
        self._known.clear()
        for word in _WORD.findall(text):
            self._opaque.setdefault(word, at)

    def bind(self, name: str, at: Position, value: Any) -> None:
        """Give a name a value at a place."""
        self._known.clear()
        self._given.setdefault(name, []).append(_Given(at, value=value))

    def hide(self, name: str, at: Position) -> None:
        """Let a name have a value from a place on that is not known."""
        self._known.clear()
        self._given.setdefault(name, []).append(_Given(at, simple=False))

    def _take(self, at: Position, statement: ast.stmt) -> None:
        simple = isinstance(statement, (ast.Assign, ast.AnnAssign)) and _plain_targets(statement)
        for name in _stored(statement):
            imported = _of_flytekit(statement, name)
            if imported == "ImageSpec":
                self._makers.add(name)
            known = simple or imported is not None
            self._given.setdefault(name, []).append(_Given(at, statement, simple=known))

    def variables(self, tree: ast.AST, before: Position) -> dict[str, Any]:
        """Give the values of the names that code reads.

        Raises
        ------
        NotLiteralError
            If one of them is more than a literal.
        """
        found: dict[str, Any] = {}
        for name in free_names(tree):
            if name.id == "ImageSpec" and not self._before(name.id, before):
                continue
            if name.id not in found:
                try:
                    found[name.id] = self.value(name.id, before)
                except NotLiteralError as error:
                    raise NotLiteralError(error.why, name.lineno) from error
        return found

    def makers(self, before: Position) -> set[str]:
        """Names that stand for ImageSpec at a place."""
        # What else `ImageSpec` may stand for is told where its value is asked for.
        return {"ImageSpec", *(name for name in self._makers if self._is_maker(name, before))}

    def _is_maker(self, name: str, before: Position) -> bool:
        given = self._before(name, before)
        return bool(given) and _of_flytekit(given[-1].statement, name) == "ImageSpec"

    def _before(self, name: str, position: Position) -> list[_Given]:
        return sorted(
            (one for one in self._given.get(name, ()) if one.at < position), key=lambda one: one.at
        )

    def value(self, name: str, before: Position) -> Any:
        """Give what a name stands for at a place.

        Raises
        ------
        NotLiteralError
            If that is more than a literal, or nothing gives it.
        """
        given = self._before(name, before)
        if (at := self._opaque.get(name, before)) < before:
            raise NotLiteralError(f"`{name}` may be set in cell {at[0]}, which has to be run")
        if not given:
            if name == "CopyFileDetection":
                return _imported(name)
            raise NotLiteralError(f"`{name}` is given nowhere before")
        last = given[-1]
        if last.statement is None and last.simple:
            return self.bounds.measured(last.value)
        if not last.simple or name in self._changed:
            raise NotLiteralError(f"`{name}` ({self._place(last)}) has to be run")
        if id(last) not in self._known:
            self._known[id(last)] = self._evaluated(name, last)
        value = self.bounds.measured(self._known[id(last)])
        if isinstance(value, (list, dict, set, tuple)):
            # Whoever reads it may change it.
            value = copy.deepcopy(value)
        if isinstance(value, (list, dict, set)) and self._is_lent(name):
            raise NotLiteralError(
                f"`{name}` ({self._place(last)}) may be changed before it is used"
            )
        return value

    def _is_lent(self, name: str) -> bool:
        """May somebody else change the value of a name?"""
        return name in self._lent or name in self._aliases.reached

    def _evaluated(self, name: str, given: _Given) -> Any:
        statement = given.statement
        if (known := _of_flytekit(statement, name)) is not None:
            return _imported(known)
        value: ast.expr = statement.value  # type: ignore[union-attr]  # an assignment
        if self._depth >= _DEEPEST:
            raise NotLiteralError(f"`{name}` stands for too many names, one after the other")
        self._depth += 1
        try:
            return self.evaluate(value, given.at)
        except NotLiteralError as error:
            raise NotLiteralError(f"`{name}` ({self._place(given)}): {error.why}") from error
        finally:
            self._depth -= 1

    def evaluate(self, expression: ast.expr, at: Position) -> Any:
        """Evaluate a literal expression that stands at a place.

        Raises
        ------
        NotLiteralError
            If it is more.
        """
        self.bounds.spend(_EVALUATION)
        require_literal(expression, self.makers(at))
        scope = self.variables(expression, at)
        if any(isinstance(n, ast.Name) and n.id == "ImageSpec" for n in ast.walk(expression)):
            scope.setdefault("ImageSpec", _imported("ImageSpec"))
        own = ast.Expression(copy.deepcopy(expression))
        ready = Literal(self.makers(at), self.bounds).ready(own, scope)
        try:
            return eval(compile(ready, "<literal>", "eval"), scope)  # noqa: S307 - checked
        except NotLiteralError:
            raise
        except Exception as error:  # whatever a literal raises: `"a" + 1`
            raise NotLiteralError(f"{type(error).__name__}: {error}") from error

    def _place(self, given: _Given) -> str:
        line = getattr(given.statement, "lineno", 0)
        return f"cell {given.at[0]}" if given.at[0] else f"line {line}"


def literal_variables(text: str, scope: Scope, before: Position) -> tuple[dict[str, Any], Literal]:
    """Give what a text reads that stands at a place, and how it is evaluated.

    Raises
    ------
    NotLiteralError
        If the text or what it reads is more than a literal.
    """
    makers = scope.makers(before)
    try:
        tree = parse_code(text)
    except SyntaxError:
        # What evaluates it tells what is wrong, and looks at it once more.
        return {}, Literal(makers, scope.bounds)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            makers |= {a.asname for a in node.names if a.name == "ImageSpec" and a.asname}
    require_literal(tree, makers)
    return scope.variables(tree, before), Literal(makers, scope.bounds)


def put_in(line: str, scope: Scope, before: Position) -> str:
    """Put literal values in for the names that a magic's line has in braces or after a dollar.

    Raises
    ------
    NotLiteralError
        If something else stands there, or a name's value is not known.
    """
    from envd_magic.interactive.options import expanded, put_in_names

    if len(line) > _LONGEST_LINE:
        raise NotLiteralError(f"a magic's line of {len(line)} characters has to be run")
    found: dict[str, Any] = {}
    # What puts them in tells what it would evaluate: another reading of the line might not see all.
    for name in put_in_names(line):
        if not name.isidentifier():
            raise NotLiteralError(f"`{name}` has to be run")
        found[name] = scope.value(name, before)
    return expanded(line, found)


def _of_flytekit(statement: ast.stmt | None, name: str) -> str | None:
    """Give what an import from flytekit calls so, if it is a thing that is known."""
    if not isinstance(statement, (ast.Import, ast.ImportFrom)):
        return None
    for alias in statement.names:
        if (alias.asname or alias.name).partition(".")[0] == name:
            one = copy.copy(statement)
            one.names = [alias]
            if is_known_import(one):
                is_module = isinstance(one, ast.Import)
                return (alias.name if alias.asname else name) if is_module else alias.name
    return None


def _imported(name: str) -> Any:
    """Give ImageSpec or CopyFileDetection, or a module of flytekit's that has them."""
    import importlib

    from flytekit import ImageSpec
    from flytekit.constants import CopyFileDetection

    known = {"ImageSpec": ImageSpec, "CopyFileDetection": CopyFileDetection}
    return known[name] if name in known else importlib.import_module(name)


def _plain_targets(statement: ast.Assign | ast.AnnAssign) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
    return statement.value is not None and all(isinstance(one, ast.Name) for one in targets)


def _stored(statement: ast.stmt) -> Iterator[str]:
    """Names that a statement gives, those that it imports or defines too."""
    for node in _outer(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield node.name
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                yield (alias.asname or alias.name).partition(".")[0]
    for node in ast.walk(statement):
        # A function may set it at any time.
        if isinstance(node, ast.Global):
            yield from node.names


def _outer(node: ast.AST) -> Iterator[ast.AST]:
    """All of a statement but what has names of its own."""
    yield node
    if not isinstance(node, _INNER):
        for child in ast.iter_child_nodes(node):
            yield from _outer(child)


def _changed(tree: ast.AST) -> Iterator[str]:
    """Names whose values are changed in place: a list that something is appended to."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            by_name = isinstance(node, ast.Attribute) and node.attr in _CHANGERS
            if (by_name or not isinstance(node.ctx, ast.Load)) and (name := root(node)):
                yield name


def _lent(tree: ast.AST) -> Iterator[str]:
    """Names whose values others get, who may change them."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Name):
            yield node.value.id
        elif isinstance(node, ast.Call) and not _only_reads(node):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            yield from (value.id for value in values if isinstance(value, ast.Name))


def _only_reads(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in IMPORTED | {"join"}
    return isinstance(call.func, ast.Name) and call.func.id in _READERS

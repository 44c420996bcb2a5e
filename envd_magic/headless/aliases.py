"""Which names may hold what another name stands for, or a part of it: who changes one changes both.

Copies (``a + b``, ``list(a)``) are none of it, nor is what functions do with what they are given.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Methods that give a part of what they are called on.
_PARTS = ("get", "items", "values")


def root(node: ast.AST) -> str:
    """Give the name at the beginning of ``name.a[0].b``, "" if there is none."""
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


@dataclass
class _Group:
    """Names that some others may hold, told or not that they are changed."""

    held: set[str]
    told: bool = False


@dataclass
class Aliases:
    """Which names are changed by way of others, kept as code comes; each part is looked at once.

    Parameters
    ----------
    reached
        Names whose values are changed where those of others are, which hold them.
    """

    reached: set[str] = field(default_factory=set)
    _changed: set[str] = field(default_factory=set)
    _of: dict[str, list[_Group]] = field(default_factory=dict)

    def add(self, tree: ast.AST, changed: Iterable[str]) -> None:
        """Take code, and the names whose values it changes in place."""
        for targets, held in _holders(tree):
            group = _Group(held)
            for name in targets:
                self._of.setdefault(name, []).append(group)
            if not targets.isdisjoint(self._changed):
                self._tell(group)
        for name in (*changed, *_grown(tree)):
            self._change(name)

    def _change(self, name: str) -> None:
        if name not in self._changed:
            self._changed.add(name)
            for group in self._of.get(name, ()):
                self._tell(group)

    def _tell(self, group: _Group) -> None:
        waiting = [group]
        while waiting:
            one = waiting.pop()
            if one.told:
                continue
            one.told = True
            self.reached |= one.held
            for name in one.held - self._changed:
                self._changed.add(name)
                waiting += self._of.get(name, ())


def _holders(tree: ast.AST) -> Iterator[tuple[set[str], set[str]]]:
    """Give names that may hold what others stand for, or a part of it; and those others."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets, held = node.targets, _held(node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            targets, held = [node.target], _held(node.value)
        elif isinstance(node, (ast.For, ast.comprehension)):
            # Whatever goes over them: `enumerate(a)`, `zip(a, b)`.
            held = {one.id for one in ast.walk(node.iter) if isinstance(one, ast.Name)}
            targets = [node.target]
        else:
            continue
        if held:
            yield {name for target in targets for name in _targets(target)}, held


def _grown(tree: ast.AST) -> Iterator[str]:
    """Give the names that ``name += …`` changes: a list in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def _targets(target: ast.expr) -> Iterator[str]:
    if isinstance(target, (ast.Tuple, ast.List)):
        for one in target.elts:
            yield from _targets(one)
    elif name := root(target):
        yield name


def _held(value: ast.expr) -> set[str]:
    """Give the names whose values, or parts of them, an expression may give as they are."""
    found, waiting = set(), [value]
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.List, ast.Set, ast.Tuple)):
            waiting += node.elts
        elif isinstance(node, ast.Dict):
            waiting += node.values
        elif isinstance(node, ast.IfExp):
            waiting += [node.body, node.orelse]
        elif isinstance(node, ast.BoolOp):
            waiting += node.values
        elif isinstance(node, (ast.NamedExpr, ast.Starred)):
            waiting.append(node.value)
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute) and node.func.attr in _PARTS:
                waiting.append(node.func.value)
        else:
            found.add(root(node))
    return found - {""}

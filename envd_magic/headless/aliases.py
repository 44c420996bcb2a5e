"""Which names may hold what another name stands for, or a part of it: who changes one changes both.

Copies (``a + b``, ``list(a)``) are none of it, nor is what functions do with what they are given.
"""

from __future__ import annotations

import ast
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


def holders(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Give pairs of names: the first may hold what the second stands for, or a part of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            targets, held = node.targets, _held(node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            targets, held = [node.target], _held(node.value)
        elif isinstance(node, (ast.For, ast.comprehension)):
            # Whatever goes over them: `enumerate(a)`, `zip(a, b)`.
            names = {one.id for one in ast.walk(node.iter) if isinstance(one, ast.Name)}
            targets, held = [node.target], names
        else:
            continue
        for name in {name for target in targets for name in _targets(target)}:
            yield from ((name, other) for other in held)


def grown(tree: ast.AST) -> Iterator[str]:
    """Give the names that ``name += …`` changes: a list in place."""
    for node in ast.walk(tree):
        if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def reached(changed: Iterable[str], pairs: Iterable[tuple[str, str]]) -> set[str]:
    """Give the names whose values change where those of some names do, by pairs of holders."""
    of: dict[str, set[str]] = {}
    for holder, held in pairs:
        of.setdefault(holder, set()).add(held)
    found, waiting = set[str](), [*changed]
    while waiting:
        for name in of.pop(waiting.pop(), ()):
            found.add(name)
            waiting.append(name)
    return found


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

"""Code that is evaluated without trust, kept small: a short text could make a huge value.

Texts that are put together, lists in lists in lists, and loops in loops grow faster than the code
that asks for them. So each value is measured when it is made and when it is used, with all that it
holds, and a file has so much and no more.
"""

from __future__ import annotations

import ast
from collections.abc import ItemsView, KeysView, ValuesView
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from envd_magic.spec.literal import NotLiteralError, require_literal

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

Tree = TypeVar("Tree", ast.Module, ast.Expression)

# What a file's literals may come to: items, each with so many characters.
_MOST = 1_000_000
_CHARACTERS = 32
_MANY = (list, tuple, set, frozenset, KeysView, ValuesView, ItemsView)
# No code can have such names of its own.
_MEASURED, _COUNTED, _JOINED = "<measured>", "<counted>", "<joined>"


@dataclass
class Bounds:
    """What is left of what a file's literals may come to.

    Parameters
    ----------
    left
        Items.
    """

    left: int = _MOST

    def measured(self, value: Any) -> Any:
        """Give a value back, if it is not too large.

        Raises
        ------
        NotLiteralError
            If it is.
        """
        found = [value]
        while found:
            one = found.pop()
            self.spend(1)
            if isinstance(one, (str, bytes)):
                self.spend(len(one) // _CHARACTERS)
            elif isinstance(one, int):
                self.spend(one.bit_length() // (8 * _CHARACTERS))
            elif isinstance(one, _MANY):
                self.spend(len(one))
                found += one
            elif isinstance(one, dict):
                self.spend(len(one))
                found += one.keys()
                found += one.values()
            elif hasattr(type(one), "__dataclass_fields__"):
                found += vars(one).values()
        return value

    def counted(self, values: Iterable[Any]) -> Iterator[Any]:
        """Give what a loop goes through."""
        for value in values:
            self.spend(1)
            yield value

    def joined(self, between: Any, values: Any) -> Any:
        """Give ``between.join(values)``."""
        many = [*values] if isinstance(between, str) else values
        if isinstance(between, str):
            self.spend(len(many) * len(between) // _CHARACTERS)
        return self.measured(between.join(many))

    def spend(self, count: int) -> None:
        """Take so much away.

        Raises
        ------
        NotLiteralError
            If there is not so much.
        """
        self.left -= count
        if self.left < 0:
            raise NotLiteralError("what stands here is too much to be evaluated without a run")


@dataclass(frozen=True)
class Literal:
    """How code is evaluated without trust: checked, and measured as it runs.

    Parameters
    ----------
    makers
        Names that stand for ImageSpec.
    bounds
        What it may come to.
    """

    makers: Container[str] = ("ImageSpec",)
    bounds: Bounds = field(default_factory=Bounds)

    def ready(self, tree: Tree, scope: dict[str, Any]) -> Tree:
        """Give code that measures what it makes.

        Parameters
        ----------
        tree
            The code; it is changed.
        scope
            Where it will run; gets what measures.

        Raises
        ------
        NotLiteralError
            If the code does more than give values.
        """
        require_literal(tree, self.makers)
        scope.update(
            {
                _MEASURED: self.bounds.measured,
                _COUNTED: self.bounds.counted,
                _JOINED: self.bounds.joined,
            }
        )
        _Measuring().visit(tree)
        return ast.fix_missing_locations(tree)


def _call(name: str, *values: ast.expr) -> ast.Call:
    made = ast.Call(ast.Name(name, ast.Load()), [*values], [])
    return ast.copy_location(made, values[0])


# What may be large, and is made of what was measured.
_MAKING = (
    ast.BinOp,
    ast.Dict,
    ast.DictComp,
    ast.List,
    ast.ListComp,
    ast.Set,
    ast.SetComp,
    ast.Subscript,
    ast.Tuple,
)


class _Measuring(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> Any:
        if not isinstance(node, _MAKING):
            return super().visit(node)
        self.generic_visit(node)
        is_read = isinstance(getattr(node, "ctx", None), (ast.Load, type(None)))
        return _call(_MEASURED, node) if is_read else node

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return _call(_MEASURED, node) if isinstance(node.ctx, ast.Load) else node

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        # A loop may go over a long one again and again.
        is_long = isinstance(node.value, (str, bytes)) and len(node.value) > _CHARACTERS
        return _call(_MEASURED, node) if is_long else node

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        for one in node.values:
            if isinstance(one, ast.FormattedValue):
                one.value = self.visit(one.value)
        return _call(_MEASURED, node)

    def visit_Call(self, node: ast.Call) -> ast.expr:
        is_name = isinstance(node.func, ast.Name)
        node.func = node.func if is_name else self.visit(node.func)
        node.args = [self.visit(one) for one in node.args]
        node.keywords = [self.visit(one) for one in node.keywords]
        match node.func, node.args, node.keywords:
            case ast.Attribute(between, "join"), [values], []:
                return _call(_JOINED, between, values)
        return _call(_MEASURED, node)

    def visit_comprehension(self, node: ast.comprehension) -> ast.comprehension:
        self.generic_visit(node)
        node.iter = _call(_COUNTED, node.iter)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> list[ast.stmt]:
        self.generic_visit(node)
        if not isinstance(node.target, ast.Name):
            return [node]
        seen = _call(_MEASURED, ast.copy_location(ast.Name(node.target.id, ast.Load()), node))
        return [node, ast.copy_location(ast.Expr(seen), node)]

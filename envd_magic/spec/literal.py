"""Python that can be evaluated without trust: literals, and ImageSpecs made of them.

What is allowed has no effect but its value: no name is called but ImageSpec and a few that make
lists and text, no attribute is read but those of a spec. Such code is then run as it stands, by
what runs the cell of a live notebook.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

#: Names that may be called, beside ImageSpec.
BUILTINS = frozenset({"dict", "list", "range", "set", "sorted", "str", "tuple"})
#: Modules whose ImageSpec and CopyFileDetection may be imported.
MODULES = frozenset(
    {
        "flytekit",
        "flytekit.constants",
        "flytekit.image_spec",
        "flytekit.image_spec.image_spec",
    }
)
IMPORTED = frozenset({"ImageSpec", "CopyFileDetection"})
_OF_SPECS = frozenset(
    {
        "force_push",
        "with_apt_packages",
        "with_builder_options",
        "with_commands",
        "with_copy",
        "with_packages",
        "with_runtime_packages",
    }
)
# Of text and of mappings.
_OF_VALUES = frozenset({"items", "join", "keys", "lower", "split", "splitlines", "strip", "values"})
# Counting is no work as long as it is short.
_LONGEST_RANGE = 1000
_ATTRIBUTES = frozenset({"ALL", "LOADED_MODULES", "NO_COPY", "constants", "image_spec", *IMPORTED})
_STATEMENTS = (
    ast.AnnAssign,
    ast.Assign,
    ast.AugAssign,
    ast.Expr,
    ast.Expression,
    ast.Import,
    ast.ImportFrom,
    ast.Module,
    ast.Pass,
)
_EXPRESSIONS = (
    ast.BoolOp,
    ast.Compare,
    ast.Constant,
    ast.Dict,
    ast.DictComp,
    ast.IfExp,
    ast.JoinedStr,
    ast.List,
    ast.ListComp,
    ast.Set,
    ast.SetComp,
    ast.Slice,
    ast.Starred,
    ast.Subscript,
    ast.Tuple,
    ast.UnaryOp,
)
_PARTS = (
    ast.alias,
    ast.boolop,
    ast.cmpop,
    ast.comprehension,
    ast.expr_context,
    ast.keyword,
    ast.operator,
    ast.unaryop,
)


class NotLiteralError(EnvdMagicError):
    """Code that would have to be run.

    Parameters
    ----------
    why
        What in it is more than a literal.
    line
        Where, from 1 on, in its text.
    """

    def __init__(self, why: str, line: int = 1) -> None:
        super().__init__(why, line)
        self.why = why
        self.line = line

    def __str__(self) -> str:
        return self.why


def require_literal(tree: ast.AST, makers: Container[str] = ("ImageSpec",)) -> None:
    """Refuse code that does more than give values.

    Parameters
    ----------
    tree
        A module, a statement or an expression.
    makers
        Names that stand for ImageSpec.

    Raises
    ------
    NotLiteralError
        For the first thing in it that is no literal.
    """
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        lent = _is_method(node) and id(node) not in called
        if lent or not _is_literal(node, makers):
            line = getattr(node, "lineno", 1)
            raise NotLiteralError(f"{_shown(node)} has to be run", line)


def _is_literal(node: ast.AST, makers: Container[str]) -> bool:
    if isinstance(node, (*_STATEMENTS, *_EXPRESSIONS, *_PARTS)):
        return not isinstance(node, (ast.Import, ast.ImportFrom)) or is_known_import(node)
    if isinstance(node, ast.Name):
        # A name that was given another value is no builtin any more, and none that makes specs.
        return isinstance(node.ctx, ast.Load) or not (node.id in BUILTINS or node.id in makers)
    if isinstance(node, ast.BinOp):
        # No other operator: a short text could make a huge value.
        return isinstance(node.op, (ast.Add, ast.BitOr))
    if isinstance(node, ast.FormattedValue):
        return node.format_spec is None
    if isinstance(node, ast.Attribute):
        # Classes and modules are everybody's: nothing is set in them.
        known = _ATTRIBUTES | _OF_SPECS | _OF_VALUES
        return isinstance(node.ctx, ast.Load) and node.attr in known
    return isinstance(node, ast.Call) and _is_known_call(node, makers)


def _is_method(node: ast.AST) -> bool:
    # What somebody else calls, as in `sorted(lists, key=text.join)`, is measured by nobody.
    return isinstance(node, ast.Attribute) and node.attr in _OF_SPECS | _OF_VALUES


def _is_known_call(call: ast.Call, makers: Container[str]) -> bool:
    if isinstance(call.func, ast.Name) and call.func.id == "range":
        return all(
            isinstance(arg, ast.Constant)
            and isinstance(arg.value, int)
            and abs(arg.value) <= _LONGEST_RANGE
            for arg in call.args
        )
    if isinstance(call.func, ast.Name):
        return call.func.id in BUILTINS or call.func.id in makers
    if isinstance(call.func, ast.Attribute):
        return call.func.attr in _OF_SPECS | _OF_VALUES | {"ImageSpec"}
    return False


def is_known_import(node: ast.Import | ast.ImportFrom) -> bool:
    """Does it import nothing but flytekit's ImageSpec, and what belongs to it?"""
    if isinstance(node, ast.Import):
        return all(alias.name in MODULES for alias in node.names)
    return (
        node.level == 0
        and node.module in MODULES
        and all(alias.name in IMPORTED for alias in node.names)
    )


def free_names(tree: ast.AST) -> Iterator[ast.Name]:
    """Give the names that code reads and does not make itself."""
    made = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load)
    }
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            made |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in made and node.id not in BUILTINS:
            yield node


def _shown(node: ast.AST) -> str:
    text = ast.unparse(node).partition("\n")[0]
    return f"`{text if len(text) <= 60 else text[:57] + '...'}`"  # noqa: PLR2004

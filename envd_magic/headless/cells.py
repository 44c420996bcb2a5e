"""The cells of a notebook that define images, and what their names stand for."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING, Any

from envd_magic.headless.find import Definition, evaluate
from envd_magic.headless.scope import Scope
from envd_magic.records.cell import KEY
from envd_magic.records.notebook import parse_notebook
from envd_magic.spec.literal import NotLiteralError, require_literal

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.records.notebook import Cell

_MAGIC = re.compile(r"\s*%%envd_build(?![\w.])[ \t]*(.*)\n?", re.MULTILINE)
_CELL_MAGIC = re.compile(r"\s*%%\w")
# What the live magic puts variables in for, outside single quotes.
_PUT_IN = re.compile(r"\$([^\W\d]\w*)|\{([^{}]*)\}")
_SINGLE = re.compile(r"'[^']*'")


def split_magic(source: str) -> tuple[str, str, int] | None:
    """Split a cell of ``%%envd_build`` into its options and its text.

    Returns
    -------
    tuple or None
        The options, the text, and the number of the line on which the text begins; None for
        another cell.
    """
    match = _MAGIC.match(source)
    if match is None:
        return None
    return match[1], source[match.end() :], source.count("\n", 0, match.end()) + 1


def in_notebook(path: Path, text: str) -> list[Definition]:
    """Find what a notebook's cells define.

    Raises
    ------
    FileError
        If the text is no notebook.
    """
    scope = Scope()
    found: list[Definition] = []
    for cell in parse_notebook(path, text).cells:
        if cell.kind != "code":
            continue
        parts = split_magic(cell.source)
        if parts is None:
            _note(scope, cell)
        else:
            found.append(_definition(path, cell, parts, scope))
    return found


def _note(scope: Scope, cell: Cell) -> None:
    """Let the scope know what a cell of other code gives."""
    if _CELL_MAGIC.match(cell.source):
        scope.add_opaque(cell.number, cell.source)
        return
    tree = python_of(cell.source)
    if tree is None:
        scope.add_opaque(cell.number, cell.source)
        return
    scope.add(cell.number, tree)
    for node in ast.walk(tree):
        # What a magic does with a name cannot be seen: `%run`, `%envd build spec variable`.
        if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("get_ipython()."):
            scope.add_opaque(cell.number, ast.unparse(node))


def python_of(source: str) -> ast.Module | None:
    """Read a cell as Python, its magics as the calls that they are; None if it is none."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        code: str = TransformerManager().transform_cell(source)
        return ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return None


def _definition(path: Path, cell: Cell, parts: tuple[str, str, int], scope: Scope) -> Definition:
    from IPython.core.error import UsageError

    from envd_magic.interactive.options import HelpRequested, build_parser, expanded
    from envd_magic.spec.cell import below_magic

    line, text, first = parts
    found = Definition(path, cell.number, first, text, id=cell.id, source=cell.source)
    found.record = cell.metadata.get(KEY)
    before = (cell.number, 0)
    try:
        found.options = build_parser().parse_line(expanded(line, _names_in(line, scope, before)))
    except HelpRequested:
        found.options = build_parser().parse_line("--dry-run")
        found.error = NotLiteralError("the cell asks for help, it defines nothing")
        return found
    except (UsageError, NotLiteralError) as error:
        found.error = error
        return found
    found.variable = found.options.variable or ""
    found.yaml = found.options.yaml
    try:
        variables = {} if found.yaml else literal_variables(text, scope, before)
    except NotLiteralError as error:
        found.error = error
    else:
        evaluate(found, below_magic(text), variables)
    if found.variable and not found.is_preview:
        at = (cell.number, 1)
        if found.specs is not None:
            scope.bind(found.variable, at, found.specs.value)
        else:
            scope.add_opaque(cell.number, found.variable)
    return found


def literal_variables(text: str, scope: Scope, before: tuple[int, int]) -> dict[str, Any]:
    """Give what the text of a cell reads.

    Raises
    ------
    NotLiteralError
        If the text or what it reads is more than a literal.
    """
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        # What runs it tells what is wrong.
        return {}
    makers = scope.makers(before)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            makers |= {a.asname for a in node.names if a.name == "ImageSpec" and a.asname}
    require_literal(tree, makers)
    return scope.variables(tree, before)


def _names_in(line: str, scope: Scope, before: tuple[int, int]) -> dict[str, Any]:
    """Give what stands for the names that a line of options has put in."""
    found: dict[str, Any] = {}
    for match in _PUT_IN.finditer(_SINGLE.sub("''", line)):
        name = match[1] or match[2]
        if not name.isidentifier():
            raise NotLiteralError(f"`{match[0]}` has to be run")
        found[name] = scope.value(name, before)
    return found

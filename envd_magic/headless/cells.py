"""What the cells of a notebook define, and what their names stand for."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from envd_magic.errors import CellError
from envd_magic.headless.find import Definition, evaluate
from envd_magic.headless.lines import AROUND, in_code, name_images
from envd_magic.headless.scope import Scope, literal_variables, put_in
from envd_magic.records.cell import KEY
from envd_magic.records.notebook import parse_notebook
from envd_magic.spec.literal import NotLiteralError
from envd_magic.spec.problems import Problem
from envd_magic.spec.reading import parse_code

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.records.notebook import Cell

# Other cell magics may stand above it whose body runs as a cell does.
_MAGIC = re.compile(
    rf"(?:{AROUND}\n)*\s*%%envd_build(?![\w.])[ \t]*(.*)\n?",
    re.MULTILINE,
)
# Below other lines IPython takes it for a line magic, and there is none of that name.
_TOO_LOW = re.compile(r"^[ \t]*%%envd_build(?![\w.])", re.MULTILINE)


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
        own = _in_cell(path, cell, parts, scope) if parts else in_code(path, cell, scope)
        own += [] if parts else _too_low(path, cell)
        for one in own:
            one.id, one.source, one.record = cell.id, cell.source, cell.metadata.get(KEY)
        found += own
    return found


def _too_low(path: Path, cell: Cell) -> list[Definition]:
    """Tell of a cell whose magic has something above it: IPython refuses it when it is run."""
    match = _TOO_LOW.search(cell.source)
    if match is None or cell.source.lstrip().startswith("%%"):
        return []
    with suppress(SyntaxError):
        # It stands in a text.
        parse_code(cell.source)
        return []
    line = cell.source.count("\n", 0, match.start()) + 1
    message = "%%envd_build has to be the first line of its cell; put what is above it elsewhere"
    return [Definition(path, cell.number, line, "", error=CellError(Problem("", message)))]


def _in_cell(path: Path, cell: Cell, parts: tuple[str, str, int], scope: Scope) -> list[Definition]:
    from IPython.core.error import UsageError

    from envd_magic.interactive.options import HelpRequested, build_parser
    from envd_magic.spec.cell import below_magic, specs_from_cell
    from envd_magic.spec.yaml_form import specs_from_yaml

    line, text, first = parts
    found = Definition(path, cell.number, first, text, line, max(1, first - 1))
    found.settings = dict(scope.settings)
    before = (cell.number, 0)
    try:
        found.options = build_parser().parse_line(put_in(line, scope, before))
    except HelpRequested:
        return []
    except (UsageError, NotLiteralError) as error:
        found.error = error
        return [found]
    name_images(found)
    found.yaml = found.options.yaml
    own = below_magic(text)
    try:
        known = ({}, None) if found.yaml else literal_variables(text, scope, before)
    except NotLiteralError as error:
        found.error = error
    else:
        evaluate(
            found, lambda: specs_from_yaml(own) if found.yaml else specs_from_cell(own, *known)
        )
    if found.variable and not found.is_preview:
        at = (cell.number, 1)
        if found.specs is not None:
            scope.bind(found.variable, at, found.specs.value)
        else:
            scope.hide(found.variable, at)
    return [found]

"""Cells of other code: what they give names, and the ``%envd build`` lines in them."""

from __future__ import annotations

import ast
import re
import warnings
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from envd_magic.errors import CellError
from envd_magic.headless.find import Definition, evaluate
from envd_magic.headless.scope import literal_variables, put_in
from envd_magic.spec.literal import NotLiteralError
from envd_magic.spec.problems import Problem
from envd_magic.spec.reading import parse_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envd_magic.headless.scope import Position, Scope
    from envd_magic.records.notebook import Cell

_CELL_MAGIC = re.compile(r"\s*%%\w")
#: A line of a cell magic whose body runs as if it stood there alone.
AROUND = r"\s*%%(?:time|capture|prun)\b.*"
_AROUND = re.compile(rf"\A{AROUND}")
_BUILD_LINE = re.compile(r"\s*(?:\w+\s*=\s*)?%?envd\s+build\b")
_SETTING = re.compile(r"\s*EnvdMagic\.(\w+)\s*=(.*)", re.DOTALL)
# IPython goes over all of a cell again for each magic in it, and some of its patterns read a line
# again from each place.
_MAY_BE_MAGIC = re.compile(r"^\s*(?:\w+\s*=\s*)?[%!?,;/]|\?$")
_MOST_WORK = 20_000
_LONGEST_LINE = 10_000
# Commands of `%envd` that give no variable a value.
_READING = frozenset(
    {
        "builds",
        "cancel",
        "config",
        "doctor",
        "images",
        "log",
        "preview",
        "record",
        "replay",
        "report",
        "run",
    }
)


def python_of(source: str) -> ast.Module | None:
    """Read a cell as Python, its magics as the calls that they are; None if it is none."""
    from IPython.core.inputtransformer2 import TransformerManager

    own = _AROUND.sub("", source, count=1)
    with suppress(SyntaxError):
        return parse_code(own)
    lines = own.splitlines()
    magics = sum(_MAY_BE_MAGIC.search(line) is not None for line in lines)
    if len(lines) * magics > _MOST_WORK or any(len(line) > _LONGEST_LINE for line in lines):
        return None
    try:
        with warnings.catch_warnings():
            # IPython's, of odd ends of lines.
            warnings.simplefilter("ignore")
            return parse_code(TransformerManager().transform_cell(own))
    except (SyntaxError, ValueError, RecursionError, MemoryError, RuntimeError):
        return None


def in_code(path: Path, cell: Cell, scope: Scope) -> list[Definition]:
    """Let the scope know what a cell gives, and find the images that it builds."""
    around = _AROUND.match(cell.source)
    tree = None if _CELL_MAGIC.match(cell.source) and not around else python_of(cell.source)
    if tree is None:
        scope.add_opaque((cell.number, 0), cell.source)
        return []
    if around:
        # `%%capture out` sets `out`.
        scope.add_opaque((cell.number, 0), around[0])
    scope.add(cell.number, tree)
    found = []
    for index, statement in enumerate(tree.body):
        for call in _ipython_calls(statement):
            at, whole = (cell.number, index), _is_whole(statement, call)
            line = _line_of("envd", call)
            command = (line.split() or [""])[0]
            if command == "build":
                place = _place_of(cell.source, call.lineno)
                one = Definition(path, cell.number, place, "", line, settings=dict(scope.settings))
                _evaluate(one, scope, at, whole)
                found.append(one)
            elif match := _SETTING.fullmatch(_line_of("config", call)):
                scope.settings[match[1]] = _setting(match, scope, at, whole)
            elif command not in _READING:
                # What a magic does with a name cannot be seen: `%run`, `%envd freeze spec`.
                scope.add_opaque(at, ast.unparse(call))
    return [one for one in found if one.options is not None or one.error is not None]


def _setting(match: re.Match[str], scope: Scope, at: Position, whole: bool) -> Any:  # noqa: FBT001
    """Give what a line of ``%config`` sets, or why that is not known."""
    from envd_magic.interactive.settings import DEFAULTS
    from envd_magic.spec.names import unknown

    shown = f"`%config {match[0]}` (cell {at[0]})"
    if match[1] not in DEFAULTS:
        return CellError(Problem("", f"{shown}: {unknown('setting', match[1], DEFAULTS)}"))
    try:
        value = scope.evaluate(_expression(match[2]), at)
    except NotLiteralError as error:
        return NotLiteralError(f"{shown}: {error.why}")
    except SyntaxError as error:
        return CellError(Problem("", f"{shown}: {error}"))
    return value if whole else NotLiteralError(f"{shown} has to be run")


def _expression(text: str) -> ast.expr:
    match parse_code(text.strip()).body:
        case [ast.Expr(value)]:
            return value
    raise SyntaxError("is no expression")


def _ipython_calls(statement: ast.stmt) -> Iterator[ast.Call]:
    """Find the magics in a statement; a command of the system gives no variable a value."""
    for node in ast.walk(statement):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if name.startswith("get_ipython().") and not name.endswith((".system", ".getoutput")):
            yield node  # type: ignore[misc]  # a call, as it has a name


def _line_of(magic: str, call: ast.Call) -> str:
    """Give what follows the name of a line magic where a call is of that magic, else ""."""
    values = [arg.value if isinstance(arg, ast.Constant) else None for arg in call.args]
    if not ast.unparse(call.func).endswith(".run_line_magic") or len(values) != 2:  # noqa: PLR2004
        return ""
    return values[1] if values[0] == magic and isinstance(values[1], str) else ""


def _place_of(source: str, at_least: int) -> int:
    """Give the line of a build in a cell: IPython joins lines, so what it says may be too early."""
    lines = source.splitlines()
    found = (n for n, line in enumerate(lines, 1) if n >= at_least and _BUILD_LINE.match(line))
    return next(found, min(at_least, len(lines)))


def _is_whole(statement: ast.stmt, call: ast.Call) -> bool:
    """Does it run once, whatever else happens: is it the statement?"""
    return isinstance(statement, (ast.Expr, ast.Assign)) and statement.value is call


def _evaluate(found: Definition, scope: Scope, at: Position, is_whole: bool) -> None:  # noqa: FBT001
    from IPython.core.error import UsageError

    from envd_magic.interactive.choose import chosen_specs
    from envd_magic.interactive.options import HelpRequested, spec_build_parser

    parser = spec_build_parser()
    try:
        words = put_in(found.magic, scope, at).split(maxsplit=1)[1:]
        found.options = parser.parse_line("".join(words))
        name_images(found)
        if not is_whole:
            raise NotLiteralError(f"`%envd {found.magic}` in a block has to be run")
        known = literal_variables(found.text, scope, at)
    except HelpRequested:
        return
    except (UsageError, NotLiteralError) as error:
        found.error = error
    else:
        evaluate(found, lambda: chosen_specs(found.text, *known))
    if (name := getattr(found.options, "variable", None)) is None:
        return
    if found.specs is not None:
        scope.bind(name, at, found.specs.value)
    else:
        scope.hide(name, at)


def name_images(found: Definition) -> None:
    """Note what the options say of the images: what they are called, and the spec that is meant."""
    from envd_magic.interactive.choose import is_name

    spec = getattr(found.options, "spec", "")
    found.text = spec or found.text
    found.variable = getattr(found.options, "variable", None) or (spec if is_name(spec) else "")

"""The text of a cell into an ImageSpec.

Two forms: an expression that makes an ImageSpec (or a list or mapping of them), with whatever
statements it needs before it, or assignments named as ImageSpec's fields.
"""

from __future__ import annotations

import ast
import dataclasses
import linecache
from typing import TYPE_CHECKING, Any

from envd_magic.errors import CellError, SpecError
from envd_magic.spec.fields import BY_NAME
from envd_magic.spec.names import close, unknown
from envd_magic.spec.problems import Problem
from envd_magic.spec.several import Specs, gather

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flytekit import ImageSpec

#: What tracebacks name as the file of a cell's code.
CELL_FILE = "<envd_build cell>"


def spec_from_cell(text: str, variables: Mapping[str, Any]) -> ImageSpec:
    """Run the text of a cell that makes one ImageSpec; see :func:`specs_from_cell`."""
    specs = specs_from_cell(text, variables)
    if specs.keys is not None:
        raise _error("it makes several; one is expected here")
    return specs.items[0][1]


def specs_from_cell(text: str, variables: Mapping[str, Any]) -> Specs:
    """Run the text of a cell and give the ImageSpecs that it makes.

    Parameters
    ----------
    text
        Python.
    variables
        What the text can read; nothing of it is changed, and what the text assigns is not added.

    Raises
    ------
    CellError
        If the text makes no ImageSpec.
    SpecError
        If ImageSpec itself refuses a value.
    Exception
        What the text raises.
    """
    from flytekit import ImageSpec

    tree = _parse(text)
    # One dictionary as both globals and locals, so that comprehensions and functions of the cell
    # see its names.
    scope: dict[str, Any] = {"ImageSpec": ImageSpec, **variables}
    scope.setdefault("ImageSpec", ImageSpec)
    last = tree.body[-1]
    if isinstance(last, ast.Expr):
        before = ast.Module(tree.body[:-1], [])
        exec(compile(before, CELL_FILE, "exec"), scope)  # noqa: S102 - the user's own cell
        value = _evaluated(ast.Expression(last.value), scope)
        specs = gather(value)
        if specs is None:
            what = type(value).__name__
            raise _error(f"the last line gives {what}, not an ImageSpec or a list or dict of them")
        return specs
    return Specs((("", _from_assignments(tree, scope)),))


def _parse(text: str) -> ast.Module:
    # So that tracebacks show the lines.
    linecache.cache[CELL_FILE] = (len(text), None, text.splitlines(keepends=True), CELL_FILE)
    try:
        tree = ast.parse(text, CELL_FILE)
    except SyntaxError as error:
        line = f" in line {error.lineno}: {(error.text or '').strip()}" if error.lineno else ""
        raise _error(f"{error.msg}{line}") from error
    if not tree.body:
        raise _error(
            "the cell is empty; write an ImageSpec(…), or fields as in packages = ['pandas']"
        )
    return tree


def _evaluated(expression: ast.Expression, scope: dict[str, Any]) -> Any:
    """Evaluate the last line; what ImageSpec refuses is told as a mistake in the spec."""
    for call in ast.walk(expression):
        if (
            isinstance(call, ast.Call)
            and isinstance(call.func, ast.Name)
            and call.func.id == "ImageSpec"
        ):
            for keyword in call.keywords:
                if keyword.arg is not None and keyword.arg not in BY_NAME:
                    raise CellError(Problem("", unknown("field", keyword.arg, BY_NAME)))
    try:
        return eval(compile(expression, CELL_FILE, "eval"), scope)  # noqa: S307
    except ValueError as error:
        raise refused(error) from error


def _from_assignments(tree: ast.Module, scope: dict[str, Any]) -> ImageSpec:
    for statement in tree.body:
        if isinstance(statement, ast.AnnAssign) and statement.value is None:
            name = ast.unparse(statement.target)
            if name in BY_NAME:
                raise _error(f"{name} has a type and no value; write {name} = …")
    assigned = {
        name.id
        for statement in tree.body
        for target in _targets(statement)
        for name in ast.walk(target)
        if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
    }
    fields = assigned & BY_NAME.keys()
    others = {name for name in assigned - fields if not name.startswith("_")}
    if not fields and not any(close(name, BY_NAME) for name in others):
        raise _error("no ImageSpec(…) at its end, and no assignment to a field of one")
    for name in sorted(others):
        if not _is_read(tree, name):
            raise CellError(Problem("", unknown("field", name, BY_NAME)))
    if not fields:
        raise _error("no ImageSpec(…) at its end, and no assignment to a field of one")
    exec(compile(tree, CELL_FILE, "exec"), scope)  # noqa: S102 - the user's own cell
    try:
        spec: ImageSpec = scope["ImageSpec"](**{name: scope[name] for name in fields})
    except ValueError as error:
        raise refused(error) from error
    return spec


def _targets(statement: ast.stmt) -> list[ast.expr]:
    if isinstance(statement, ast.Assign):
        return statement.targets
    if isinstance(statement, ast.AugAssign) or (
        isinstance(statement, ast.AnnAssign) and statement.value is not None
    ):
        return [statement.target]
    return []


def _is_read(tree: ast.Module, name: str) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
        for node in ast.walk(tree)
    )


def _error(message: str) -> CellError:
    return CellError(Problem("", f"The cell makes no ImageSpec: {message}"))


def refused(error: ValueError) -> SpecError:
    """Give what ImageSpec itself refused as a mistake in the spec, with its field.

    Raises
    ------
    ValueError
        The error itself, if it is none of flytekit's.
    """
    if isinstance(error, SpecError):
        return error
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None or "flytekit" not in trace.tb_frame.f_code.co_filename:
        # Some other value's own error, in an argument.
        raise error
    text = str(error)
    field = next((name for name in BY_NAME if text.startswith(f"{name} ")), "")
    return SpecError(Problem(field, text.removeprefix(field).strip()))


def with_options(spec: ImageSpec, changes: Mapping[str, Any]) -> ImageSpec:
    """Give a spec with fields replaced, ready to be hashed anew.

    Parameters
    ----------
    spec
        Not changed.
    changes
        Fields and their values; None means "as the spec has it".
    """
    given = {name: value for name, value in changes.items() if value is not None}
    force = spec._is_force_push  # noqa: SLF001 - flytekit's `replace` drops it
    try:
        fresh = dataclasses.replace(spec, **given)
    except ValueError as error:
        raise refused(error) from error
    fresh._is_force_push = force  # noqa: SLF001
    return fresh

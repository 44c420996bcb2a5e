"""The text of a cell into an ImageSpec.

Two forms: an expression that makes an ImageSpec (or a list or mapping of them), with whatever
statements it needs before it, or assignments named as ImageSpec's fields.
"""

from __future__ import annotations

import ast
import dataclasses
import linecache
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from envd_magic.errors import CellError, SpecError
from envd_magic.spec.fields import BY_NAME
from envd_magic.spec.names import close, unknown
from envd_magic.spec.problems import Problem
from envd_magic.spec.reading import parse_code
from envd_magic.spec.secrets import MASK
from envd_magic.spec.several import Specs, gather, what_it_is

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flytekit import ImageSpec

    from envd_magic.spec.bounds import Literal

#: What tracebacks name as the file of a cell's code.
CELL_FILE = "<envd_build cell>"
# Characters of a line that a message shows.
_SHOWN = 100
_UNKNOWN = re.compile(r"\bImageSpec\.__init__\(\) got an unexpected keyword argument '(\w+)'")
_NO_REGISTRY = re.compile(r"Invalid container registry name: '([^\n]*)'\.\n")


def below_magic(body: str) -> str:
    """Give the text below a magic's line so that its lines count as an editor counts them."""
    return f"\n{body}"


def spec_from_cell(
    text: str, variables: Mapping[str, Any], literal: Literal | None = None
) -> ImageSpec:
    """Run the text of a cell that makes one ImageSpec; see :func:`specs_from_cell`."""
    specs = specs_from_cell(text, variables, literal)
    if specs.keys is not None:
        raise _error("it makes several; one is expected here")
    return specs.items[0][1]


def specs_from_cell(
    text: str, variables: Mapping[str, Any], literal: Literal | None = None
) -> Specs:
    """Run the text of a cell and give the ImageSpecs that it makes.

    Parameters
    ----------
    text
        Python.
    variables
        What the text can read; nothing of it is changed, and what the text assigns is not added.
    literal
        How it is evaluated where it is not trusted; None runs it.

    Raises
    ------
    CellError
        If the text makes no ImageSpec.
    NotLiteralError
        If it is not trusted, and does more than give values.
    SpecError
        If ImageSpec itself refuses a value.
    Exception
        What the text raises.
    """
    from flytekit import ImageSpec

    tree = _parse(text, literal)
    # One dictionary as both globals and locals, so that comprehensions and functions of the cell
    # see its names.
    scope: dict[str, Any] = {"ImageSpec": ImageSpec, **variables}
    scope.setdefault("ImageSpec", ImageSpec)
    last = tree.body[-1]
    if not isinstance(last, ast.Expr):
        return Specs((("", _from_assignments(tree, scope, literal)),))
    before, expression = ast.Module(tree.body[:-1], []), ast.Expression(last.value)
    if literal is not None:
        before, expression = literal.ready(before, scope), literal.ready(expression, scope)
    with _refusals_told():
        exec(compile(before, CELL_FILE, "exec"), scope)  # noqa: S102 - the user's own cell
        value = eval(compile(expression, CELL_FILE, "eval"), scope)  # noqa: S307
    specs = gather(value)
    if specs is None:
        raise _error(f"the last line gives {what_it_is(value)}")
    return specs


def _parse(text: str, literal: Literal | None) -> ast.Module:
    # So that tracebacks show the lines.
    linecache.cache[CELL_FILE] = (len(text), None, text.splitlines(keepends=True), CELL_FILE)
    try:
        tree = (ast.parse if literal is None else parse_code)(text, CELL_FILE)
    except SyntaxError as error:
        shown = (error.text or "").strip()[:_SHOWN]
        line = f" in line {error.lineno}: {shown}" if error.lineno else ""
        raise _error(f"{error.msg}{line}") from error
    except ValueError as error:
        # What Python before 3.11.4 says of null bytes.
        raise _error(str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise _error("too deeply nested") from error
    if not tree.body:
        raise _error(
            "the cell is empty; write an ImageSpec(…), or fields as in packages = ['pandas']"
        )
    return tree


@contextmanager
def _refusals_told() -> Iterator[None]:
    """Let what ImageSpec refuses be told as a mistake in the spec, wherever the cell makes one."""
    try:
        yield
    except ValueError as error:
        raise refused(error) from error
    except (AttributeError, TypeError) as error:
        line = _line_of(error)
        where = f"line {line}: " if line else ""
        if match := _UNKNOWN.search(str(error)):
            raise CellError(Problem("", where + unknown("field", match[1], BY_NAME))) from error
        if _is_of_flytekit(error):
            # flytekit does not look at all kinds of values: `name=None`.
            raise CellError(
                Problem("", f"{where}ImageSpec takes no such value: {error}")
            ) from error
        raise


def _is_of_flytekit(error: BaseException) -> bool:
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_globals.get("__name__") == "flytekit.image_spec.image_spec":
            return True
        trace = trace.tb_next
    return False


def _line_of(error: BaseException) -> int | None:
    """Give the line of the cell that an error comes from."""
    trace, line = error.__traceback__, None
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == CELL_FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _from_assignments(
    tree: ast.Module, scope: dict[str, Any], literal: Literal | None
) -> ImageSpec:
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
    perhaps = {name for statement in tree.body for name in _inner_names(statement)} - assigned
    fields = assigned & BY_NAME.keys()
    others = {name for name in assigned - fields if not name.startswith("_")}
    known = fields | perhaps & BY_NAME.keys()
    if not known and not any(close(name, BY_NAME) for name in others):
        raise _error("no ImageSpec(…) at its end, and no assignment to a field of one")
    for name in sorted(others):
        if not _is_read(tree, name):
            raise CellError(Problem("", unknown("field", name, BY_NAME)))
    if not known:
        raise _error("no ImageSpec(…) at its end, and no assignment to a field of one")
    before = dict(scope)
    if literal is not None:
        tree = literal.ready(tree, scope)
    with _refusals_told():
        exec(compile(tree, CELL_FILE, "exec"), scope)  # noqa: S102 - the user's own cell
        # An assignment in an `if` may not have been made; the notebook's own value is none then.
        fields |= {n for n in known - fields if n in scope and scope[n] is not before.get(n)}
        given = {name: scope[name] for name in fields}
        if literal is not None:
            literal.bounds.measured(given)
        spec: ImageSpec = scope["ImageSpec"](**given)
    return spec


def _inner_names(statement: ast.stmt) -> Iterator[str]:
    """Names that are assigned in the blocks of a statement: `if`, `for`, `with`, `try`."""
    if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
        return
    for inner in ast.iter_child_nodes(statement):
        blocks = inner.body if isinstance(inner, (ast.ExceptHandler, ast.match_case)) else [inner]
        for one in blocks:
            if isinstance(one, ast.stmt):
                yield from (t.id for t in _targets(one) if isinstance(t, ast.Name))
                yield from _inner_names(one)


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
    if match := _NO_REGISTRY.match(text):
        # flytekit names neither the field nor what is too much.
        bare = ", without what stands before the host" if re.search("://|@", match[1]) else ""
        shown = re.sub(r"[^/@]+@", f"{MASK}@", match[1])
        message = f"{shown!r} is no registry; expected host[:port][/path], as localhost:5000"
        return SpecError(Problem("registry", message + bare))
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

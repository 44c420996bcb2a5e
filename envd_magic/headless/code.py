"""Python files and YAML that define images; the rest of a file is not run."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from envd_magic.errors import FileError
from envd_magic.headless.find import Definition, evaluate
from envd_magic.headless.scope import Scope, literal_variables
from envd_magic.spec.literal import NotLiteralError
from envd_magic.spec.reading import Places, parse_code

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envd_magic.headless.scope import Position


def in_yaml(path: Path, text: str) -> list[Definition]:
    """Read a YAML file of ImageSpecs, in flytekit's form."""
    from envd_magic.spec.yaml_form import specs_from_yaml

    found = Definition(path, None, 1, text, yaml=True)
    evaluate(found, lambda: specs_from_yaml(text.removeprefix("\ufeff")))
    return [found]


def in_python(path: Path, text: str) -> list[Definition]:
    """Find the ImageSpecs that a Python file makes at its top level, decorators included.

    Raises
    ------
    FileError
        If it is no Python.
    """
    text = text.removeprefix("\ufeff")
    try:
        tree = parse_code(text)
    except SyntaxError as error:
        raise FileError(f"{path}:{error.lineno or 1}: is no Python: {error.msg}") from error
    scope, places = Scope(), Places(text)
    scope.add(0, tree)
    found = []
    for index, statement in enumerate(tree.body):
        for call, name in _calls(statement, scope.makers((0, index))):
            start, end = places.of(call)
            source = text[start:end]
            definition = Definition(path, None, call.lineno, source, name)
            _evaluate(definition, scope, (0, index))
            found.append(definition)
    return found


def _evaluate(definition: Definition, scope: Scope, at: Position) -> None:
    from envd_magic.spec.cell import specs_from_cell

    # In parentheses, as the expression's lines are indented as in the file.
    expression = f"({definition.text})"
    try:
        known = literal_variables(expression, scope, at)
    except NotLiteralError as error:
        error.line += definition.line - 1
        definition.error = error
    else:
        evaluate(definition, lambda: specs_from_cell(expression, *known))


def _calls(statement: ast.stmt, makers: set[str]) -> Iterator[tuple[ast.expr, str]]:
    """Give the outermost expressions that make an ImageSpec, and the name that each gets."""
    names: dict[int, str] = {}
    for node in ast.walk(statement):
        if isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if isinstance(targets[0], ast.Name) and node.value is not None:
                names[id(node.value)] = targets[0].id
    for call in _outermost(statement, makers):
        yield call, names.get(id(call), "")


def _outermost(node: ast.AST, makers: set[str]) -> Iterator[ast.expr]:
    if isinstance(node, ast.Call) and _makes_spec(node, makers):
        yield node
        return
    for name, value in ast.iter_fields(node):
        # What a function does is done when it is called, if ever.
        if name == "body" and isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _outermost(child, makers)


def _makes_spec(call: ast.Call, makers: set[str]) -> bool:
    """Is it ``ImageSpec(…)``, ``flytekit.ImageSpec(…)``, or one of these with ``.with_…(…)``?"""
    func = call.func
    if isinstance(func, ast.Name):
        return func.id in makers
    if not isinstance(func, ast.Attribute):
        return False
    if func.attr == "ImageSpec":
        return isinstance(func.value, (ast.Name, ast.Attribute))
    return isinstance(func.value, ast.Call) and _makes_spec(func.value, makers)

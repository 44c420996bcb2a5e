"""What is wrong with the images that files define, each with its place."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError, SpecError
from envd_magic.headless.find import Definition, inside, place
from envd_magic.records.cell import drift
from envd_magic.spec.literal import NotLiteralError
from envd_magic.spec.reading import parse_code
from envd_magic.spec.secrets import Secrets, spec_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from flytekit import ImageSpec

    from envd_magic.headless.find import Source
    from envd_magic.spec.problems import Problem


# What flytekit calls images that nobody has named; their tags tell them apart.
_UNNAMED = "flytekit"
_YAML_NAME = re.compile(r"[ \t-]*(\w+)[ \t]*:")


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    path
        The file.
    cell
        Number of the cell from 1 on; None where there is none.
    line
        In the cell or the file, from 1 on.
    field
        The ImageSpec field, with its item; "" where the whole is meant.
    message
        What is wrong, and what to do.
    fatal
        True if nothing can be built, False for a warning.
    """

    path: Path
    cell: int | None
    line: int
    field: str
    message: str
    fatal: bool = True

    def __str__(self) -> str:
        kind = "error" if self.fatal else "warning"
        field = f"{self.field}: " if self.field else ""
        message = " ".join(self.message.split())
        return f"{place(self.path, self.cell, self.line)}: {kind}: {field}{message}"


def check(source: Source) -> list[Finding]:
    """Look at all that a file defines; nothing is run or written."""
    if source.error is not None:
        return [Finding(source.path, None, 1, "", _without_path(source))]
    found: list[Finding] = []
    with inside(source.folder):
        told: set[str] = set()
        for definition in source.definitions:
            if definition.error is not None:
                found += error_finding(definition, definition.error)
            found += _of_images(definition, told)
        wrong = {one.cell for one in found if one.fatal}
        for own in _by_cell(source.definitions):
            # Whether files changed is asked of those that can be read.
            if own[0].cell not in wrong:
                found += _drift(own)
    return [*found, *same_names(source.definitions)]


def _by_cell(definitions: Iterable[Definition]) -> Iterator[list[Definition]]:
    """Give what is built, by the cells that have a record of it."""
    built = (one for one in definitions if not one.is_preview and one.record is not None)
    for _, own in groupby(built, lambda one: one.cell):
        yield list(own)


def _drift(definitions: list[Definition]) -> Iterator[Finding]:
    """Compare a cell's record with what the cell makes now."""
    images = [(one, spec) for one in definitions for _, spec in one.images()]
    known = all(one.error is None for one in definitions)
    try:
        specs = [spec for _, spec in images]
        for number, reason in drift(definitions[0].record, specs, all_known=known):
            one = images[number][0] if images else definitions[0]
            yield Finding(one.path, one.cell, one.magic_line, "", reason)
    except (EnvdMagicError, OSError, ValueError):
        # A file that is not there, which is told above.
        return


def _without_path(source: Source) -> str:
    return re.sub(rf"^{re.escape(str(source.path))}(:\d+)?: ", "", str(source.error))


def error_finding(definition: Definition, error: Exception) -> list[Finding]:
    """Give why a definition makes nothing."""
    if isinstance(error, NotLiteralError):
        text = f"{error.why}; --execute runs the notebook up to here"
        if definition.cell is None:
            text = f"{error.why}; the file is not run"
        line = definition.line + error.line - 1 if definition.cell is not None else error.line
        return [Finding(definition.path, definition.cell, line, "", text, fatal=False)]
    if isinstance(error, SpecError):
        return [_finding(definition, problem, Secrets()) for problem in error.problems]
    text = Secrets().mask(str(error)).partition("\nSee: ")[0]
    # It may be wrong options, which stand before the text.
    return [Finding(definition.path, definition.cell, definition.magic_line, "", text)]


def before_building(source: Source) -> list[Finding]:
    """Look for what keeps a file's images from being built, what has to be run among it."""
    found: list[Finding] = []
    told: set[str] = set()
    with inside(source.folder):
        for definition in source.definitions:
            if definition.is_preview:
                continue
            if definition.error is not None:
                # A warning for who only looks.
                errors = error_finding(definition, definition.error)
                found += [replace(one, fatal=True) for one in errors]
            found += [one for one in _of_images(definition, told) if one.fatal]
    return [*found, *same_names(source.definitions)]


def _of_images(definition: Definition, told: set[str]) -> Iterator[Finding]:
    """Find what is wrong with images; one that was told of before is none of this place's."""
    for _, spec in definition.images():
        if (shown := repr(spec)) in told:
            continue
        told.add(shown)
        secrets = spec_secrets(spec)
        for problem in _problems(spec):
            yield _finding(definition, problem, secrets)


def _problems(spec: ImageSpec) -> Iterator[Problem]:
    from envd_magic.recipe.compose import compose
    from envd_magic.spec.problems import Problem
    from envd_magic.spec.validate import problems_of

    try:
        found = problems_of(spec)
        yield from found
        if not any(problem.fatal for problem in found):
            told = {str(problem) for problem in found}
            for warning in compose(spec).warnings:
                if warning not in told:
                    field, colon, text = warning.partition(": ")
                    is_field = colon and re.fullmatch(r"[a-z_.]+(\[.*\])?", field)
                    yield Problem(
                        field if is_field else "", text if is_field else warning, None, fatal=False
                    )
    except SpecError as error:
        yield from error.problems
    except (EnvdMagicError, OSError) as error:
        yield Problem("", str(error))


def _finding(definition: Definition, problem: Problem, secrets: Secrets) -> Finding:
    where = problem.field
    if problem.item is not None:
        where += f"[{problem.item!r}]" if where else repr(problem.item)
    line = definition.line + line_of(definition, problem.field) - 1
    message, where = secrets.mask(problem.message), secrets.mask(where)
    return Finding(definition.path, definition.cell, line, where, message, problem.fatal)


def line_of(definition: Definition, field: str) -> int:
    """Give the line of a definition's text on which a field is set, from 1 on; 1 if none."""
    text = definition.text
    if not definition.yaml and definition.cell is None:
        text = f"({text.strip()})"
    return _lines(text, definition.yaml).get(field.rpartition(".")[2], 1)


@lru_cache(maxsize=8)
def _lines(text: str, is_yaml: bool) -> dict[str, int]:  # noqa: FBT001
    """Give the lines on which names are set, the first of each."""
    found: dict[str, int] = {}
    if is_yaml:
        for number, line in enumerate(text.split("\n"), 1):
            if match := _YAML_NAME.match(line):
                found.setdefault(match[1], number)
        return found
    try:
        tree = parse_code(text)
    except SyntaxError:
        return {}
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg:
            found.setdefault(node.arg, node.value.lineno)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.setdefault(node.id, node.lineno)
    return found


def same_names(definitions: Iterable[Definition]) -> Iterator[Finding]:
    """Find images of one name that are not the same: the later one would take its place."""
    seen: dict[str, tuple[Definition, ImageSpec]] = {}
    for definition in definitions:
        if definition.is_preview:
            continue
        for _, spec in definition.images():
            if spec.name == _UNNAMED:
                continue
            name = f"{spec.registry or ''}/{spec.name}"
            first, other = seen.setdefault(name, (definition, spec))
            if other is not spec and other != spec:
                where = f"cell {first.cell}" if first.cell is not None else f"line {first.line}"
                text = (
                    f"two images are called {spec.name!r}, here and in {where}, and they differ; "
                )
                line = definition.line + line_of(definition, "name") - 1
                yield Finding(
                    definition.path, definition.cell, line, "name", f"{text}give each a name"
                )

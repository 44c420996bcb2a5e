"""Notebooks as files: read and checked, never run, and changed in no byte but those meant."""

from __future__ import annotations

import copy
import json
import re
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.errors import FileError

if TYPE_CHECKING:
    from pathlib import Path

_BOM = "\ufeff"
_FORMAT = 4


@dataclass(frozen=True)
class Cell:
    """One cell.

    Parameters
    ----------
    number
        From 1 on, as people count: cells of text too.
    kind
        "code", "markdown" or "raw".
    source
        Its text.
    id
        Its name in the file, "" in formats that have none.
    metadata
        As in the file.
    """

    number: int
    kind: str
    source: str
    id: str
    metadata: dict[str, Any]


@dataclass(frozen=True)
class Notebook:
    """A notebook file.

    Parameters
    ----------
    path
        Where it is.
    text
        All of the file, as it was read.
    cells
        In order.
    content
        The file's JSON.
    """

    path: Path
    text: str
    cells: tuple[Cell, ...]
    content: dict[str, Any]


def parse_notebook(path: Path, text: str) -> Notebook:
    """Read the text of a notebook.

    Raises
    ------
    FileError
        If it is none of format 4; it says why.
    """
    try:
        content = json.loads(text.removeprefix(_BOM))
    except RecursionError as error:
        raise FileError(f"{path}: is no notebook: its JSON is nested too deeply") from error
    except ValueError as error:
        raise FileError(f"{path}: is no notebook: {_why_no_json(text, error)}") from error
    if not isinstance(content, dict) or "nbformat" not in content:
        raise FileError(f"{path}: is no notebook: it is JSON, without an nbformat")
    for name in ("nbformat", "nbformat_minor"):
        # nbformat itself stumbles over what is no whole number; it takes a missing one for 0.
        if type(content.get(name, 0)) is not int:
            value = json.dumps(content[name])[:60]
            raise FileError(f"{path}: is no valid notebook: its {name} is {value}, no whole number")
    found = content["nbformat"]
    if found < _FORMAT:
        raise FileError(
            f"{path}: is a notebook of format {found}, which is older than {_FORMAT}: open it in "
            f"Jupyter and save it, or run: jupyter nbconvert --to notebook --inplace {path.name}"
        )
    if found > _FORMAT:
        raise FileError(f"{path}: is a notebook of format {found}; {_FORMAT} is the newest known")
    # nbformat itself stumbles over it.
    cells = content.get("cells")
    if not isinstance(cells, list) or not all(isinstance(cell, dict) for cell in cells):
        raise FileError(f"{path}: is no valid notebook: 'cells' is a required list of cells")
    if reason := what_is_invalid(content):
        raise FileError(f"{path}: is no valid notebook: {reason}")
    return Notebook(
        path, text, tuple(_cell(number, cell) for number, cell in enumerate(cells, 1)), content
    )


def _why_no_json(text: str, error: ValueError) -> str:
    if not text.strip():
        return "it is empty"
    if text.startswith("version https://git-lfs."):
        return "it is a pointer of Git LFS; run: git lfs pull"
    marks = [re.search(mark, text, re.MULTILINE) for mark in (r"^<{7} ", r"^={7}$", r"^>{7} ")]
    if all(marks):
        return "it has the marks of a merge conflict"
    return f"its JSON is broken: {error}"


def _cell(number: int, cell: dict[str, Any]) -> Cell:
    # Later formats may have kinds of cells without any of these; they hold no code.
    source, metadata = cell.get("source", ""), cell.get("metadata", {})
    text = source if isinstance(source, str) else "".join(map(str, source))
    return Cell(number, str(cell.get("cell_type")), text, cell.get("id", ""), metadata)


def what_is_invalid(content: dict[str, Any]) -> str:
    """Say what nbformat finds wrong with a notebook's JSON, "" if nothing is."""
    # 150 ms to import.
    import nbformat

    try:
        # nbformat adds what is missing, and warns about it; the file keeps its form.
        checked = copy.deepcopy(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Names that a minor version has not yet are no hindrance: Jupyter opens such files.
            nbformat.validate(checked, relax_add_props=True)
    except nbformat.ValidationError as error:
        where = "".join(
            f" {part + 1}" if isinstance(part, int) else f" {part}" for part in error.absolute_path
        )
        at = f" (at{where.replace(' cells ', ' cell ')})" if where else ""
        # These would tell all of a cell, and not what is wrong in it.
        unclear = error.validator in ("anyOf", "oneOf")
        what = "it has a form that no such part has" if unclear else str(error.message)[:120]
        return f"{what}{at}"
    except RecursionError:
        return "its JSON is nested too deeply"
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # nbformat itself stumbles: over an `id` that is a list, say.
        return f"it has a form that no such part has ({error})"
    return ""

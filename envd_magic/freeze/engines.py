"""Distributions that code needs without importing them: what pandas reads and writes files with.

Source: https://pandas.pydata.org/docs/getting_started/install.html#optional-dependencies
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from envd_magic.freeze.imports import trees

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PARQUET = ("pyarrow", "fastparquet")
# Methods and functions that only pandas (or what follows it) has, with what can do their work.
_BY_CALL = {
    "read_excel": ("openpyxl", "python-calamine", "xlrd"),
    "read_feather": ("pyarrow",),
    "read_hdf": ("tables",),
    "read_html": ("lxml", "html5lib"),
    "read_orc": ("pyarrow",),
    "read_parquet": _PARQUET,
    "read_sql_query": ("sqlalchemy",),
    "read_sql_table": ("sqlalchemy",),
    "read_xml": ("lxml",),
    "to_excel": ("openpyxl", "xlsxwriter"),
    "to_feather": ("pyarrow",),
    "to_hdf": ("tables",),
    "to_markdown": ("tabulate",),
    "to_orc": ("pyarrow",),
    "to_parquet": _PARQUET,
    "to_xml": ("lxml",),
}
_NAMED = "engine"


def engines(sources: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Give the calls that need a distribution that nobody imports, each with those that will do.

    One that the call names (``engine="fastparquet"``) is the only one.
    """
    found: dict[str, tuple[str, ...]] = {}
    for tree in trees(sources):
        for call in _calls(tree):
            name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if name in _BY_CALL:
                found[name] = _chosen(call) or _BY_CALL[name]
    return found


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _chosen(call: ast.Call) -> tuple[str, ...]:
    for keyword in call.keywords:
        value = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
        if keyword.arg == _NAMED and isinstance(value, str) and value != "auto":
            return (value,)
    return ()

"""What code imports, read and not run."""

from __future__ import annotations

import ast
import re
import shlex
import sys
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIP = re.compile(r"^[ \t]*[%!][ \t]*(?:python3? -m )?(?:uv )?pip3? install\s+(.+)$", re.MULTILINE)
# Cell magics whose body is Python that is run here.
_PYTHON_MAGICS = re.compile(r"\s*%%(?:time|timeit|capture|prun)\b.*\n?")
_MAGIC = re.compile(r"\s*%%\w")
_FILES = ("-e", "-r", "--editable", "--requirement")
_WITH_VALUE = (
    *_FILES,
    "-c",
    "--constraint",
    "--extra-index-url",
    "-f",
    "--find-links",
    "-i",
    "--index-url",
    "--prefix",
    "--python",
    "-t",
    "--target",
    "--trusted-host",
)


def imported(sources: Iterable[str]) -> set[str]:
    """Give the modules that cells or files import, with dots: ``{"pandas", "google.cloud"}``.

    What is named in ``from a import b`` is given as ``a.b`` too, since it may be a module. Relative
    imports, and code that is no Python, give nothing.
    """
    found: set[str] = set()
    for tree in trees(sources):
        for node in ast.walk(tree):
            found |= set(_modules(node))
    return found


def trees(sources: Iterable[str]) -> Iterator[ast.Module]:
    """Read cells or files that are Python, and leave out the others."""
    for source in sources:
        tree = _tree(source)
        if tree is not None:
            yield tree


def _tree(source: str) -> ast.Module | None:
    from envd_magic.headless.lines import python_of

    if match := _PYTHON_MAGICS.match(source):
        source = source[match.end() :]
    elif _MAGIC.match(source):
        return None
    return python_of(source)


def _modules(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name != "*")
    elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
        called, name = ast.unparse(node.func), node.args[0].value
        if called.endswith("import_module") and isinstance(name, str) and not name.startswith("."):
            yield name


def top_level(modules: Iterable[str]) -> dict[str, set[str]]:
    """Give modules by their first names, without Python's own."""
    found: dict[str, set[str]] = {}
    for module in modules:
        first = module.partition(".")[0]
        if first not in sys.stdlib_module_names and first != "__main__":
            found.setdefault(first, set()).add(module)
    return found


def installed_by(sources: Iterable[str]) -> tuple[list[str], list[str]]:
    """Give what cells install: ``%pip install pandas -r more.txt``.

    Returns
    -------
    tuple
        The requirements, and what is none: URLs, folders, files of requirements.
    """
    found: dict[str, None] = {}
    others: dict[str, None] = {}
    for source in sources:
        for line in _PIP.findall(source):
            for word, is_requirement in _items(line):
                (found if is_requirement else others)[word] = None
    return list(found), list(others)


def _items(line: str) -> Iterator[tuple[str, bool]]:
    """Give what a line of pip installs, each with whether it is a requirement."""
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return
    option = ""
    for word in words:
        if word in ("&&", ";", "|", ">", "2>"):
            return
        if option:
            if option in _FILES:
                yield f"{option} {word}", False
            option = ""
        elif word.startswith("-"):
            option = word if word in _WITH_VALUE else ""
        else:
            yield word, _is_requirement(word)


def _is_requirement(word: str) -> bool:
    try:
        return Requirement(word).url is None
    except InvalidRequirement:
        return False

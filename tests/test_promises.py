"""What the README promises is tried: each linked test is there."""

from __future__ import annotations

import ast
import re
from pathlib import Path

_ROOT = Path(__file__).parent.parent
_LINK = re.compile(r"\[(test_\w+)\]\((tests/test_\w+\.py)\)")


def promises() -> dict[str, list[tuple[str, str]]]:
    """Give the promises, each with the files and names of its tests."""
    text = (_ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition("\n## What it promises\n")[2].partition("\n## ")[0]
    rows = [line.strip("|").split(" | ") for line in section.splitlines() if "](tests/" in line]
    return {
        promise.strip(): [(file, name) for name, file in _LINK.findall(links)]
        for promise, links in rows
    }


def test_each_promise_has_a_test_that_is_there() -> None:
    found = promises()
    assert len(found) > 20
    assert [promise for promise, tests in found.items() if not tests] == []
    linked = {test for tests in found.values() for test in tests}
    files = {file for file, _ in linked}
    written = {(file, name) for file in files for name in written_in(_ROOT / file)}
    assert sorted(linked - written) == []


def written_in(path: Path) -> list[str]:
    """Give the names of a module's tests, which pytest takes from its functions' names."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    functions = (one for one in body if isinstance(one, ast.FunctionDef))
    return [one.name for one in functions if one.name.startswith("test_")]

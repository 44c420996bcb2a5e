"""What the README promises is tried: each linked test is there, and pytest collects it."""

from __future__ import annotations

import re
import subprocess
import sys
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


def test_each_promise_has_a_test_that_is_collected() -> None:
    found = promises()
    assert len(found) > 20
    assert [promise for promise, tests in found.items() if not tests] == []
    linked = {test for tests in found.values() for test in tests}
    files = sorted({file for file, _ in linked})
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *files], cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    ids = re.findall(r"^(tests/test_\w+\.py)::(test_\w+)", done.stdout, re.MULTILINE)
    assert sorted(linked - set(ids)) == []

"""Notebooks that tests write."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from envd_magic.headless.cli import main

SPEC = 'ImageSpec(name="trainer", packages=["attrs"])'


def notebook(*sources: str, **metadata: Any) -> dict[str, Any]:
    """Make the JSON of a notebook; a source that begins with # and a space is a cell of text."""
    cells = [_cell(number, source) for number, source in enumerate(sources, 1)]
    return {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def _cell(number: int, source: str) -> dict[str, Any]:
    lines = source.splitlines(keepends=True)
    cell: dict[str, Any] = {"id": f"cell-{number}", "metadata": {}, "source": lines}
    if source.startswith("# "):
        return {**cell, "cell_type": "markdown"}
    return {**cell, "cell_type": "code", "execution_count": None, "outputs": []}


def write(path: Path, *sources: str) -> Path:
    """Write a notebook as Jupyter does."""
    text = json.dumps(notebook(*sources), indent=1, ensure_ascii=False, sort_keys=True)
    path.write_text(f"{text}\n", encoding="utf-8")
    return path


def run(*words: str | Path) -> Result:
    """Run `envd-magic`."""
    return CliRunner().invoke(main, [str(word) for word in words], prog_name="envd-magic")

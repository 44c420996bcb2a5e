"""What steps have told, kept for the builds in which they come from the cache and tell nothing."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from envd_magic.paths import cache_folder, keep
from envd_magic.pipeline.events import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from envd_magic.pipeline.log import BuildLog
    from envd_magic.recipe.model import Recipe

_TELLING = ("packages", "requirements")


@contextmanager
def remembered(log: BuildLog, recipe: Recipe, base: str) -> Iterator[None]:
    """Keep what the steps of a build tell, or tell again what they told.

    Parameters
    ----------
    log
        The build's.
    recipe
        What is built.
    base
        ID of the base image.
    """
    kept = _place(recipe, base)
    before = len(log.warnings)
    yield
    if told := log.warnings[before:]:
        keep(kept, json.dumps(told))
    elif any(step.status == "cached" and step.field in _TELLING for step in log.steps):
        for text in _read(kept):
            log.emit(Notice(text))


def _place(recipe: Recipe, base: str) -> Path:
    rules = [rule.text for rule in recipe.rules if rule.fields[0] in _TELLING]
    key = hashlib.sha256(json.dumps([base, *rules]).encode()).hexdigest()
    return cache_folder() / "notes" / f"{key}.json"


def _read(kept: Path) -> list[str]:
    try:
        return [str(text) for text in json.loads(kept.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError):
        return []

"""What envd says of a line of build.envd, told of the ImageSpec that the line was made from."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envd_magic.spec.problems import Problem

if TYPE_CHECKING:
    from envd_magic.recipe.model import Recipe

_PLACE = re.compile(r"build\.envd:(\d+):\d+:?\s*(.*)", re.DOTALL)
# Lines of build.envd before the first rule: the syntax, an empty one, `def`, and `base`.
_BEFORE = 4
_ITEM = re.compile(r'"((?:[^"\\]|\\.)*)"')


def mistake(recipe: Recipe, text: str) -> Problem | None:
    """Find the field, and the item if there is one, that envd complains of.

    Parameters
    ----------
    recipe
        What envd has read.
    text
        What it said; None is given if that names no line.
    """
    found = _PLACE.search(text)
    if found is None:
        return None
    line, said = int(found[1]), found[2].strip() or text
    end = _BEFORE
    if line <= end:
        return Problem("base_image", f"envd says: {said}", recipe.base)
    for rule in recipe.rules:
        end += rule.text.count("\n") + 1
        if line <= end:
            items = [item for item in _ITEM.findall(rule.text) if item and item in said]
            return Problem(rule.fields[0], f"envd says: {said}", max(items, key=len, default=None))
    return None

"""Which layer of an image comes from which field of the spec, and how large it is; pure.

The engine's history has an entry for each layer, and some for none. A step's own script carries a
mark; a layer that comes from an image below (the base, or what was installed before) has lost its
words, and its place among them has to tell.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.recipe.marks import field_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envd_magic.engine.images import ImageInfo
    from envd_magic.recipe.model import Recipe

BASE = "base_image"
# BuildKit's words for a copy, and for a layer that was there before.
_COPY, _BELOW = re.compile(r"fileop target"), re.compile(r"(from local|pulled from .*)?")
#: envd's own label, which tells what it was to do.
GRAPH_LABEL = "ai.tensorchord.envd.graph.general"
_SOURCES = {"copy/root": "copy", "source/root": "source_root", "install": "packages"}


@dataclass(frozen=True)
class Entry:
    """One entry of an image's history.

    Parameters
    ----------
    made_by
        What has made it.
    size
        Bytes.
    """

    made_by: str
    size: int


def entries(history: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """Read the engine's history; gives the oldest first."""
    return [Entry(str(one.get("CreatedBy") or ""), one["Size"]) for one in reversed(history)]


def fields_of(
    history: Sequence[Entry], base: ImageInfo | None, recipe: Recipe, labels: Mapping[str, str]
) -> list[str]:
    """Give the field that each entry of a history comes from, "" where that is not known.

    Parameters
    ----------
    history
        The image's, the oldest first.
    base
        The base image; None if it is not known, or the image does not stand on it.
    recipe
        What has made the image.
    labels
        The image's.
    """
    start = _start(history, base)
    found = [BASE] * start + [field_of(one.made_by) for one in history[start:]]
    _copies(history, start, found, labels)
    if base is not None:
        _installed(history, start, found, recipe)
    return found


def without_empty(history: Sequence[Entry], count: int) -> list[int]:
    """Give the places of the entries that have made layers, of which there are so many.

    The engine does not tell; an entry of no size may have made one that deletes, say.
    """
    places = list(range(len(history)))
    empty = [number for number in places if not history[number].size]
    # Settings make none.
    empty.sort(key=lambda number: ("#(nop)" not in history[number].made_by, -number))
    gone = set(empty[: max(0, len(history) - count)])
    return [number for number in places if number not in gone]


def _start(history: Sequence[Entry], base: ImageInfo | None) -> int:
    """Give how many entries are the base image's."""
    if base is None:
        return 0
    number = total = 0
    while number < len(history) and total < base.size:
        total += history[number].size
        number += 1
    # Its last layers may be empty ones.
    for entry in history[number : len(base.layers)]:
        if entry.size or not _is_below(entry):
            break
        number += 1
    return number


def _copies(
    history: Sequence[Entry], start: int, found: list[str], labels: Mapping[str, str]
) -> None:
    """Name the copies by envd's own label, which has them in order."""
    try:
        told = json.loads(labels.get(GRAPH_LABEL, "{}")).get("Copy") or []
        sources = [_SOURCES.get(one["Source"], "") for one in told]
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    places = [n for n in range(start, len(history)) if _COPY.search(history[n].made_by)]
    for place, source in zip(reversed(places), reversed(sources), strict=False):
        found[place] = source


def _installed(history: Sequence[Entry], start: int, found: list[str], recipe: Recipe) -> None:
    """Name the layers of what was installed before, where each rule has made one."""
    below = [
        number
        for number in range(start, len(history))
        if not found[number] and _is_below(history[number])
    ]
    rules = [rule for rule in recipe.rules if rule.installs]
    if not below or not rules:
        return
    names = dict.fromkeys(rule.fields[0] for rule in rules)
    of_rules = [rule.fields[0] for rule in rules]
    for place, number in enumerate(below):
        found[number] = of_rules[place] if len(below) == len(rules) else ", ".join(names)


def _is_below(entry: Entry) -> bool:
    """Is it a layer of an image below, which may be an empty one?"""
    return bool(entry.size or entry.made_by.strip()) and bool(
        _BELOW.fullmatch(entry.made_by.strip())
    )

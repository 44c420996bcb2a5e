"""A recipe in two stages: what the image depends on, and the files and commands that stand on it.

envd's order is fixed: it copies files before it runs anything, so an installer that runs is run
again whenever a file changes. Two builds, the second on the first's image, put the files behind.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.recipe.files import FIELD_OF

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from envd_magic.recipe.model import Recipe


class Stages(NamedTuple):
    """The parts of a recipe, each a recipe; None where there is nothing to do."""

    dependencies: Recipe | None
    rest: Recipe | None


def stages(recipe: Recipe) -> Stages:
    """Part a recipe into what installs and what comes after."""
    return Stages(
        _part(recipe, lambda installs: installs, lambda folder: folder not in FIELD_OF),
        _part(recipe, lambda installs: not installs, lambda folder: folder in FIELD_OF),
    )


def _part(
    recipe: Recipe, rules: Callable[[bool], bool], files: Callable[[str], bool]
) -> Recipe | None:
    chosen = tuple(rule for rule in recipe.rules if rules(rule.installs))
    if not chosen:
        return None
    kept = {name: entry for name, entry in recipe.files.items() if files(name.partition("/")[0])}
    return replace(recipe, rules=chosen, files=kept)


def rule_keys(recipe: Recipe, stands_on: Sequence[object], key: bytes) -> list[str]:
    """Give a name for what each rule of a stage makes, as the layer cache would know it.

    Parameters
    ----------
    recipe, stands_on, key
        As for :func:`stage_key`.
    """
    found: list[str] = []
    last: object = [*stands_on]
    for rule in recipe.rules:
        files = [
            f"{name} {entry.digest()}"
            for name, entry in sorted(recipe.files.items())
            if rule.reads == "." or (rule.reads and name.startswith(f"{rule.reads}/"))
        ]
        last = _keyed([last, rule.text, files], key)
        found.append(str(last))
    return found


def _keyed(parts: object, key: bytes) -> str:
    return hmac.new(key, json.dumps(parts).encode(), hashlib.sha256).hexdigest()[:32]


def stage_key(recipe: Recipe, stands_on: Sequence[object], key: bytes) -> str:
    """Give a name for what a stage makes: the same for the same, whoever asks for it.

    Parameters
    ----------
    recipe
        The stage. Its secret files count as well: what they open may be something else.
    stands_on
        What tells the image that it starts from: its layers, its platform, its settings.
    key
        Of the user: without it, a name tells nothing of a secret.

    Returns
    -------
    str
        Hexadecimal, 32 digits.
    """
    files = [f"{name} {entry.digest()}" for name, entry in sorted(recipe.files.items())]
    return _keyed([[rule.text for rule in recipe.rules], files, [*stands_on]], key)

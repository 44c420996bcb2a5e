"""envd's name of a step, in the words of the recipe: what people read in a log and in a plan."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.recipe.marks import MARK, field_of

if TYPE_CHECKING:
    from envd_magic.recipe.model import Recipe, Rule

_OFFERED = "docker-image://127.0.0.1:"
_COPY = re.compile(r"copy /(\w+)\b")


class BaseStep(NamedTuple):
    """The step that an envd command starts from, as people are to read it."""

    name: str
    field: str


class Described(NamedTuple):
    """A step as people are to read it, and the rule that it comes from, if it is known."""

    name: str
    field: str
    rule: Rule | None = None


def base_step(recipe: Recipe) -> BaseStep:
    """Give the step of a recipe's base image."""
    return BaseStep(f"base image {recipe.base}", "base_image")


def is_offered(name: str) -> bool:
    """Is it an image that we have given a private name, and that the engine has?"""
    return name.startswith(_OFFERED)


def describe(name: str, recipe: Recipe | None, base: BaseStep | None = None) -> Described:
    """Prefer the recipe's words to a script's first lines, or to the base's private name.

    Parameters
    ----------
    name
        BuildKit's, of several lines.
    recipe
        What envd builds.
    base
        What stands for the base image.
    """
    field = field_of(name)
    if recipe is not None and is_offered(name):
        return Described(*(base or base_step(recipe)))
    if name == "local://build-context":
        return Described("send the build folder", field)
    rule = _rule(name, field, recipe) if recipe is not None else None
    if rule is not None and rule.detail and (rule.reads or MARK.search(name)):
        return Described(rule.detail, rule.fields[0], rule)
    return Described(name.splitlines()[0] if name else name, field, rule)


def _rule(name: str, field: str, recipe: Recipe) -> Rule | None:
    """Find the rule that a step comes from."""
    copied, is_run = _COPY.match(name), MARK.search(name) is not None
    for rule in recipe.rules:
        if copied is not None:
            found = rule.reads == copied[1]
        elif is_run:
            found = rule.text.startswith("run(") and rule.fields[0] == field
        else:
            found = rule.text.startswith("install.") and rule.fields[0] == field
        if found:
            return rule
    return None

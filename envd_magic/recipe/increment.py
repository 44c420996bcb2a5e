"""What is new in a list, to be installed on what an earlier build has installed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from envd_magic.recipe.asked import OPTIONS, apt_name, dependencies_changed
from envd_magic.recipe.compose import apt_rule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envd_magic.recipe.asked import Asked, Change
    from envd_magic.recipe.model import Recipe

_GROWING = ("packages", "requirements", "apt_packages")
# The fields of the rules that come before the installer's.
_BEFORE = ("apt_packages", "python_version", "conda_packages", "cuda")


class CleanBuildNeededError(Exception):
    """The change is none that can be installed on what is there; the message names it."""


def increment(
    dependencies: Recipe, before: Asked, now: Asked, apt_packages: Sequence[str]
) -> tuple[Recipe | None, list[Change]]:
    """Give what is to be done on an image of the dependencies as they were.

    Parameters
    ----------
    dependencies
        The stage that would install all of it.
    before, now
        What was asked for, and what is.
    apt_packages
        The spec's.

    Returns
    -------
    recipe, changes
        None where there is nothing to do.

    Raises
    ------
    CleanBuildNeededError
        If something else changed than lists that grow and versions.
    """
    changes = dependencies_changed(before.changes(now))
    for change in changes:
        if change.field not in _GROWING or change.removed:
            raise CleanBuildNeededError(str(change))
        if OPTIONS in (*change.added, *change.changed):
            raise CleanBuildNeededError("requirements: an option or a constraint changed")
    news = {change.field: (*change.added, *change.changed) for change in changes}
    packages = [one for one in apt_packages if apt_name(one) in news.get("apt_packages", ())]
    rules = [apt_rule(packages)] if packages else []
    if "packages" in news or "requirements" in news:
        # The whole list: what is there stays where it fits what is new.
        rules += [rule for rule in dependencies.rules if rule.fields[0] not in _BEFORE]
    return (replace(dependencies, rules=tuple(rules)) if rules else None), changes

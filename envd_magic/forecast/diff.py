"""What is between two specs: fields, lines of the recipe, and the steps that run again."""

from __future__ import annotations

import difflib
from contextlib import ExitStack, closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envd_magic.forecast.steps import Known, rule_steps
from envd_magic.pipeline.build import prepare
from envd_magic.pipeline.dependencies import user_key
from envd_magic.recipe.asked import asked
from envd_magic.recipe.stages import rule_keys, stages
from envd_magic.spec.source import format_spec
from envd_magic.view.text import recipe_text

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.forecast.result import PlannedStep
    from envd_magic.pipeline.prepared import Prepared
    from envd_magic.recipe.model import Recipe


@dataclass(frozen=True)
class SpecDiff:
    """What is between two specs, secrets masked.

    Parameters
    ----------
    changes
        A text for each field that is another.
    spec
        Lines of both specs, as ``diff -u`` has them; () if they are the same.
    recipe
        The same of what they come to: build.envd, files, and what is finished after.
    steps
        Those of the second; "cached" are those that the first has as well.
    """

    changes: tuple[str, ...]
    spec: tuple[str, ...]
    recipe: tuple[str, ...]
    steps: tuple[PlannedStep, ...]


def diff_specs(before: ImageSpec, after: ImageSpec) -> SpecDiff:
    """Compare two specs; no engine is asked.

    Raises
    ------
    SpecError
        If one of them cannot be honoured.
    """
    with ExitStack() as stack:
        pair = [stack.enter_context(closing(prepare(spec))) for spec in (before, after)]
        first, second = (asked(one.spec, one.inputs, [one.recipe.base], user_key()) for one in pair)
        changes = first.changes(second)
        own = _keys(pair[0].recipe)
        known = Known({key for keys in own for key in keys}, changes, lambda _kind: None)
        steps: list[PlannedStep] = []
        for stage, keys in zip(_stages(pair[1].recipe), _keys(pair[1].recipe), strict=True):
            steps += rule_steps(stage, keys, known)
        return SpecDiff(
            tuple(map(str, changes)),
            _lines(*(format_spec(one.spec, one.secrets) for one in pair)),
            _lines(*map(_recipe, pair)),
            tuple(steps),
        )


def _recipe(prepared: Prepared) -> str:
    return prepared.secrets.mask(recipe_text(prepared.recipe))


def _stages(recipe: Recipe) -> list[Recipe]:
    return [stage for stage in stages(recipe) if stage is not None]


def _keys(recipe: Recipe) -> list[list[str]]:
    """Name what each stage's rules make; the second stage stands on the first."""
    found: list[list[str]] = []
    below: list[object] = [recipe.base, *recipe.platforms]
    for stage in _stages(recipe):
        keys = rule_keys(stage, below, user_key())
        found.append(keys)
        below = [*below, keys[-1]]
    return found


def _lines(before: str, after: str) -> tuple[str, ...]:
    told = difflib.unified_diff(
        before.splitlines(), after.splitlines(), "before", "after", lineterm=""
    )
    return tuple(told)

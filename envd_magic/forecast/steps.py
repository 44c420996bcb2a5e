"""The forecast for each step of a stage: pure, from what an engine is known to have."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envd_magic.forecast.result import CACHED, RUNS, UNKNOWN, PlannedStep
from envd_magic.recipe.asked import dependencies_changed
from envd_magic.recipe.describe import describe, is_offered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from envd_magic.envd.llb import Operation
    from envd_magic.recipe.asked import Change
    from envd_magic.recipe.describe import BaseStep
    from envd_magic.recipe.model import Recipe, Rule

_EXPORT = "exporting to image"


@dataclass(frozen=True)
class Known:
    """What is known before a build.

    Parameters
    ----------
    has
        Keys of the rules that the engine has in its cache; None if that cannot be known.
    changes
        What changed since the image's last build; None if no build is known.
    seconds
        Gives what a rule of a kind takes.
    why
        Why every step runs, or why nothing is known; "" if neither is so.
    """

    has: set[str] | None
    changes: Sequence[Change] | None
    seconds: Callable[[str], float | None]
    why: str = ""


def kept(recipe: Recipe, base: BaseStep) -> list[PlannedStep]:
    """Give the steps of a stage that an earlier build has kept."""
    why = "kept from an earlier build"
    first = PlannedStep(base.name, base.field, CACHED, why, 0.0)
    rest = [PlannedStep(rule.detail, rule.fields[0], CACHED, why, 0.0) for rule in recipe.rules]
    return [first, *rest]


def stage_steps(
    recipe: Recipe,
    base: BaseStep,
    operations: Iterable[Operation],
    keys: Sequence[str],
    known: Known,
) -> list[PlannedStep]:
    """Give the steps of a stage that envd will be asked to build.

    Parameters
    ----------
    recipe
        The stage.
    base
        How the step of its base image is told.
    operations
        What envd makes of it.
    keys
        Names of what the rules make.
    known
        What is known before.
    """
    forecasts = rule_steps(recipe, keys, known)
    worst = next((one for one in forecasts if one.forecast != CACHED), None)
    steps = []
    for operation in operations:
        name, field, rule = describe(operation.name, recipe, base)
        command = " ".join(operation.arguments)
        if rule is not None:
            found = forecasts[recipe.rules.index(rule)]
            steps.append(replace(found, name=name, field=field, command=command))
        elif is_offered(operation.name):
            steps.append(PlannedStep(name, field, CACHED, "in the engine", 0.0))
        elif operation.name.startswith("local://"):
            steps.append(PlannedStep(name, field, RUNS, "as in every build"))
        elif worst is None:
            steps.append(PlannedStep(name, field, CACHED, "unchanged", 0.0, command=command))
        else:
            steps.append(PlannedStep(name, field, worst.forecast, worst.reason, command=command))
    return [*steps, PlannedStep(_EXPORT, "", RUNS, "as in every build")]


def rule_steps(recipe: Recipe, keys: Sequence[str], known: Known) -> list[PlannedStep]:
    """Give a step for each rule of a stage, in their order."""
    found: list[PlannedStep] = []
    before: PlannedStep | None = None
    for rule, key in zip(recipe.rules, keys, strict=True):
        forecast, reason = _forecast(rule, key, known, before)
        seconds = 0.0 if forecast == CACHED else known.seconds(rule.kind)
        step = PlannedStep(rule.detail, rule.fields[0], forecast, reason, seconds)
        found.append(step)
        if forecast == RUNS and before is None:
            before = step
    return found


def _forecast(rule: Rule, key: str, known: Known, before: PlannedStep | None) -> tuple[str, str]:
    own = changes_of(rule, known.changes or ())
    told = "; ".join(map(str, own))
    if known.has is None:
        return UNKNOWN, known.why
    if key in known.has and not known.why and before is None and rule.reads != ".":
        return CACHED, "unchanged"
    mounted = "its files are mounted for the step, which envd never caches"
    reasons = [
        told,
        mounted if rule.reads == "." else "",
        known.why,
        f"runs because a step before it does ({before.name})" if before is not None else "",
        "no build of this image is known here" if known.changes is None else "",
        "the engine has no such step in its cache",
    ]
    return RUNS, next(filter(None, reasons))


def changes_of(rule: Rule, changes: Iterable[Change]) -> list[Change]:
    """Give the changes that make a rule another."""
    if rule.installs:
        found = dependencies_changed(changes)
        # A list of its own that has not changed is no reason for the system's packages.
        others = {"packages", "requirements", "apt_packages", "conda_packages"} - {*rule.fields}
        system = rule.fields[0] in ("apt_packages", "python_version", "conda_packages", "cuda")
        own = {*rule.fields, "base_image"}
        return [one for one in found if (one.field in own if system else one.field not in others)]
    fields = {*rule.fields, "base_image"}
    if "commands" in fields:
        fields |= {"env"}
    if fields & {"copy", "source_root"}:
        fields |= {"source_copy_mode"}
    return [one for one in changes if one.field in fields]

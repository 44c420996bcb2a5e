"""A forecast held against what the build then did."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from envd_magic.forecast.result import Plan
    from envd_magic.pipeline.result import BuildResult


class Accuracy(NamedTuple):
    """How many steps were told rightly, and those that were not."""

    right: int
    total: int
    wrong: list[str]


def compare(plan: Plan, result: BuildResult) -> Accuracy:
    """Compare by the steps' names; one that only one of them has is wrong."""
    told = Counter((step.name, step.forecast == "cached") for step in plan.steps)
    did = Counter((step.name, step.status == "cached") for step in result.steps)
    right = sum((told & did).values())
    wrong = [f"{name}: {'ran' if not cached else 'cached'}" for name, cached in did - told]
    return Accuracy(right, max(sum(told.values()), sum(did.values())), wrong)

"""Plans, as rows: text and HTML show the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from envd_magic.forecast.result import CACHED, RUNS
from envd_magic.view.cards import duration
from envd_magic.view.checks import WORD
from envd_magic.view.html import LEFT, STYLE
from envd_magic.view.images import table
from envd_magic.view.lines import plain, tidy

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envd_magic.forecast.diff import SpecDiff
    from envd_magic.forecast.result import Plan, PlannedStep

_HEADS = ("Forecast", "Step", "Field", "Why", "Expected")
_DIFF_HEADS = ("Step runs", "Step", "Field", "Why")
_STRONG = (RUNS, "again")
# In a narrow window the table is scrolled before a column gets a letter a line.
_TEXT = Markup(' class="envd-text"')
_CLASSES = {"Field": WORD, "Step": _TEXT, "Why": _TEXT}
_WIDEST = 80
_MOST_CHANGES = 12


def plan_heading(plan: Plan) -> str:
    """Say in a line what will be done."""
    if plan.exists:
        return f"Plan: {plan.image} is there; nothing is built"
    steps = [step for step in plan.steps if step.field]
    running = sum(step.forecast == RUNS for step in steps)
    unknown = sum(step.forecast not in (RUNS, CACHED) for step in steps)
    told = [f"{running} of {len(steps)} steps run"]
    if unknown:
        told = [f"{len(steps)} step{'s'[: len(steps) != 1]}; what is cached is not known"]
    if plan.seconds is not None:
        told.append(f"about {duration(plan.seconds)}")
    return f"Plan: {plan.image}: {', '.join(told)}"


def _rows(plan: Plan) -> list[list[str]]:
    return [
        [
            step.forecast,
            tidy(plain(step.name), _WIDEST),
            f"{step.field} ({step.platform})" if step.platform else step.field,
            tidy(plain(step.reason), _WIDEST),
            _expected(step),
        ]
        for step in plan.steps
    ]


def _expected(step: PlannedStep) -> str:
    if step.forecast == CACHED or not step.field:
        return ""
    return "?" if step.seconds is None else duration(step.seconds)


def _remarks(plan: Plan) -> Iterator[str]:
    """Give what is told beside the steps."""
    if plan.exists:
        yield "The steps are those of a build with --force."
    if plan.changes:
        more = len(plan.changes) - _MOST_CHANGES
        yield "Changed since the last build: " + "; ".join(
            [*map(plain, plan.changes[:_MOST_CHANGES]), *([f"{more} more"] if more > 0 else [])]
        )
    elif plan.changes is not None:
        yield "Nothing changed since the last build."
    for note in plan.notes:
        yield f"note: {plain(note)}"


def diff_text(diff: SpecDiff) -> str:
    """Give the difference of two specs as text."""
    if not diff.recipe and not diff.changes:
        return "They are the same: no field and no step differs."
    lines = ["Changed: " + ("; ".join(map(plain, diff.changes)) or "only what no step sees")]
    lines += [*map(plain, diff.spec), ""] if diff.spec else []
    lines += [*map(plain, diff.recipe), ""] if diff.recipe else []
    lines += table([_DIFF_HEADS, *_diff_rows(diff)]).splitlines() if diff.steps else []
    return "\n".join(lines)


def diff_html(diff: SpecDiff) -> Markup:
    """Give the difference of two specs as HTML."""
    if not diff.recipe and not diff.changes:
        return Markup("<div>{}</div>").format(diff_text(diff))
    parts = [
        Markup('<details{}><summary>{}</summary><pre tabindex="0">{}</pre></details>').format(
            Markup(" open") if opened else Markup(""), name, plain_lines(lines)
        )
        for name, lines, opened in (("ImageSpec", diff.spec, True), ("Recipe", diff.recipe, False))
        if lines
    ]
    title = "; ".join(map(plain, diff.changes)) or "only what no step sees"
    rows = _table("Steps", _DIFF_HEADS, _diff_rows(diff)) if diff.steps else Markup("")
    return STYLE + Markup(
        '<div class="envd-card" role="group" aria-label="Difference of two ImageSpecs">'
        '<div class="envd-title"><b>Changed:</b> {}</div>{}{}</div>'
    ).format(title, rows, Markup("").join(parts))


def plain_lines(lines: Sequence[str]) -> str:
    """Join lines, without control characters."""
    return "\n".join(map(plain, lines))


def _diff_rows(diff: SpecDiff) -> list[list[str]]:
    return [
        [
            "stays" if step.forecast == CACHED else "again",
            tidy(plain(step.name), _WIDEST),
            step.field,
            "" if step.forecast == CACHED else tidy(plain(step.reason), _WIDEST),
        ]
        for step in diff.steps
    ]


def _table(label: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Markup:
    head = Markup("").join(Markup('<th scope="col"{}>{}</th>').format(LEFT, name) for name in heads)
    body = Markup("").join(
        Markup("<tr>{}</tr>").format(
            Markup("").join(
                Markup("<td{}{}>{}</td>").format(
                    LEFT,
                    _CLASSES.get(name, ""),
                    Markup("<b>{}</b>").format(cell) if cell in _STRONG else cell,
                )
                for name, cell in zip(heads, row, strict=True)
            )
        )
        for row in rows
    )
    return Markup(
        '<div class="envd-wide"><table aria-label="{}"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(label, head, body)


def plan_text(plan: Plan) -> str:
    """Give a plan as text; that of its base spec comes before it."""
    before = [plan_text(plan.base), ""] if plan.base is not None else []
    lines = [*before, plan_heading(plan)]
    lines += [f"  {line}" for line in table([_HEADS, *_rows(plan)]).splitlines()]
    lines += [f"  {text}" for text in _remarks(plan)]
    return "\n".join(lines)


def plan_html(plan: Plan) -> Markup:
    """Give a plan as HTML; that of its base spec comes before it."""
    before = plan_html(plan.base) if plan.base is not None else Markup("")
    remarks = Markup("").join(Markup("<div>{}</div>").format(text) for text in _remarks(plan))
    word, _, rest = plan_heading(plan).partition(":")
    card = Markup(
        '<div class="envd-card" role="group" aria-label="{}"><div class="envd-title">'
        "<b>{}:</b>{}</div>{}{}</div>"
    )
    steps = _table("Planned steps", _HEADS, _rows(plan))
    return before + STYLE + card.format(plan_heading(plan), word, rest, steps, remarks)

"""Cards and recipes as plain text: for a terminal, a log, CI, and notebooks that show no HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.view.cards import EXAMINED, duration
from envd_magic.view.checks import checks_text
from envd_magic.view.findings import WHEN_REPORTED, findings_text
from envd_magic.view.lines import plain

if TYPE_CHECKING:
    from envd_magic.pipeline.result import Step
    from envd_magic.recipe.model import Recipe
    from envd_magic.view.cards import Card, SpecLine

_BAR = 30
_MOST_FILES = 50


def card_text(card: Card) -> str:
    """Give all that a card shows, a line each."""
    lines = [card.heading]
    if card.cause:
        lines.append(card.cause)
    if card.step:
        lines.append(f"  {card.step}")
    lines += [f"    {plain(line)}" for line in card.log if card.cause]
    if card.progress is not None:
        full = round(card.progress * _BAR)
        lines.append(f"  [{'#' * full}{'.' * (_BAR - full)}]")
    if card.status:
        lines.append(f"  {card.status}")
    if card.spec:
        lines += [text for line in card.spec for text in _spec_text(line)]
    lines += _helps_text(card)
    width = max((len(name) for name, _ in card.facts), default=0)
    lines += [f"  {name:{width}}  {value}" for name, value in card.facts]
    lines += [f"  note: {note}" for note in card.notes]
    lines += [f"  {line}" for line in checks_text(card.checks)]
    if card.findings and card.state not in EXAMINED:
        lines.append(f"  {WHEN_REPORTED}")
    lines += [f"  {line}" for line in findings_text(card.findings)]
    if card.steps:
        lines.append("  Steps")
        lines += [f"    {step_text(step)}" for step in card.steps]
    lines += [f"  | {plain(line)}" for line in card.log if not card.cause]
    return "\n".join(lines)


def _spec_text(line: SpecLine) -> list[str]:
    """One line of a spec, with what is at fault in it underlined."""
    shown = f"{'>' if line.marked else ' '} {line.text}"
    if line.part is None:
        return [shown]
    start, end = line.part
    return [shown, f"  {' ' * start}{'^' * (end - start)}"]


def _helps_text(card: Card) -> list[str]:
    if not card.helps:
        return []
    lines = ["  What helps"]
    for number, one in enumerate(card.helps, 1):
        lines.append(f"    {number}. {one.text}")
        lines += [f"       {line}" for line in one.diff]
        if one.command:
            lines.append(f"       {one.command}")
    return [*lines, f"  {card.hint}"] if card.hint else lines


def step_text(step: Step) -> str:
    """One step on one line."""
    field = f"  [{step.field}]" if step.field else ""
    return f"{step_status(step):>14}  {step.name}{field}"


def step_status(step: Step) -> str:
    """What became of a step, in a word or with its time."""
    if step.status == "cached":
        return "CACHED"
    took = duration(step.seconds)
    marks = {"failed": f"FAILED {took}", "running": f"{took} …", "stopped": f"STOPPED {took}"}
    return marks.get(step.status, took)


def recipe_text(recipe: Recipe) -> str:
    """The recipe: build.envd, the files beside it, what is finished after."""
    parts = [f"# {recipe.image} for {', '.join(recipe.platforms)}", "", recipe.text.rstrip()]
    shown = sorted(name for name, entry in recipe.files.items() if entry.mode or entry.link)
    if shown:
        parts += [
            "",
            "# Files beside build.envd:",
            *(f"#   {name}" for name in shown[:_MOST_FILES]),
        ]
        if len(shown) > _MOST_FILES:
            parts.append(f"#   … and {len(shown) - _MOST_FILES} more")
    parts += ["", "# After envd, through the engine:"]
    parts += [f"#   {line}" for line in recipe.finish.lines()]
    if recipe.warnings:
        parts += ["", *(f"# note: {text}" for text in recipe.warnings)]
    return "\n".join(parts)


def fenced(text: str) -> str:
    """Give a recipe as Markdown: front ends highlight that in their own theme's colours."""
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}python\n{text}\n{fence}"

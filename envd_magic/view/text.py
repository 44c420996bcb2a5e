"""Cards and recipes as plain text: for a terminal, a log, CI, and notebooks that show no HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.view.cards import duration
from envd_magic.view.checks import checks_text
from envd_magic.view.lines import plain

if TYPE_CHECKING:
    from envd_magic.pipeline.result import Step
    from envd_magic.recipe.model import Recipe
    from envd_magic.view.cards import Card

_BAR = 30
_MOST_FILES = 50


def card_text(card: Card) -> str:
    """Give all that a card shows, a line each."""
    lines = [card.heading]
    if card.cause:
        lines.append(card.cause)
    lines += [f"    {plain(line)}" for line in card.log if card.cause]
    if card.progress is not None:
        full = round(card.progress * _BAR)
        lines.append(f"  [{'#' * full}{'.' * (_BAR - full)}]")
    if card.status:
        lines.append(f"  {card.status}")
    if card.spec:
        lines += [f"{'>' if line.marked else ' '} {line.text}" for line in card.spec]
    width = max((len(name) for name, _ in card.facts), default=0)
    lines += [f"  {name:{width}}  {value}" for name, value in card.facts]
    lines += [f"  note: {note}" for note in card.notes]
    lines += [f"  {line}" for line in checks_text(card.checks)]
    if card.steps:
        lines.append("  Steps")
        lines += [f"    {step_text(step)}" for step in card.steps]
    lines += [f"  | {plain(line)}" for line in card.log if not card.cause]
    return "\n".join(lines)


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

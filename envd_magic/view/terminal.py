"""Cards for a terminal, by rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from envd_magic.view.cards import EXAMINED
from envd_magic.view.checks import checks_rich
from envd_magic.view.findings import WHEN_REPORTED, findings_rich
from envd_magic.view.lines import coloured
from envd_magic.view.text import step_status

if TYPE_CHECKING:
    from rich.console import OverflowMethod, RenderableType

    from envd_magic.view.cards import Card, SpecLine

_COLOURS = {
    "running": "blue",
    "built": "green",
    "exists": "green",
    "failed": "red",
    "stopped": "yellow",
    "verifying": "blue",
    "unverified": "red",
    "verified": "green",
    "differs": "red",
    "examining": "blue",
    "examined": "green",
    "lacking": "red",
}
_STATUS = {"cached": "dim", "failed": "bold red", "running": "blue"}


def card_rich(card: Card, height: int | None = None) -> RenderableType:
    """Give all that a card shows.

    Parameters
    ----------
    card
        What to show.
    height
        Lines that there are; steps and log are cut to fit, each line of them too. None shows all.
    """
    parts = _head(card)
    log, steps = list(card.log), list(card.steps)
    if height is not None:
        room = max(4, height - len(parts) - len(card.notes) - 2)
        steps = steps[-(room // 2) :]
        log = log[-(room - len(steps)) :]
    cut = height is not None
    if log and card.cause:
        parts.append(_log(log, cut=cut))
    if card.spec:
        marked = {number for number, line in enumerate(card.spec, 1) if line.marked}
        code = "\n".join(line.text for line in card.spec)
        parts.append(_code(code, marked, card.spec))
    parts += _helps(card)
    facts = Table.grid(padding=(0, 2))
    for name, value in card.facts:
        facts.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    # A table without rows is a line without words.
    parts += [Padding(facts, (0, 0, 0, 2))] if card.facts else []
    parts += [Text(f"  note: {note}", style="yellow") for note in card.notes]
    if card.checks:
        parts.append(Padding(checks_rich(card.checks), (0, 0, 0, 2)))
    if card.findings and card.state not in EXAMINED:
        parts.append(Text(f"  {WHEN_REPORTED}", style="bold"))
    if card.findings:
        parts.append(Padding(findings_rich(card.findings), (0, 0, 0, 2)))
    table = Table.grid(padding=(0, 2))
    for step in steps:
        status = Text(step_status(step), style=_STATUS.get(step.status, ""), justify="right")
        table.add_row(status, Text(step.name), Text(step.field, style="dim"))
    parts += [Padding(table, (0, 0, 0, 2))] if steps else []
    if log and not card.cause:
        parts.append(_log(log, cut=cut))
    return Group(*parts)


def _head(card: Card) -> list[RenderableType]:
    state, _, _ = card.heading.partition(":")
    parts: list[RenderableType] = [
        Text.assemble((f"{state}: ", f"bold {_COLOURS[card.state]}"), card.title)
    ]
    if card.progress is not None:
        # By itself a bar ends no line, and what follows would be cut off.
        parts.append(Padding(ProgressBar(total=1.0, completed=card.progress, width=40), 0))
    if card.status:
        parts.append(Text(card.status))
    if card.cause:
        parts.append(Text(card.cause, style="bold"))
    if card.step:
        parts.append(Text(f"  {card.step}"))
    return parts


def _code(code: str, marked: set[int], lines: tuple[SpecLine, ...]) -> Syntax:
    """Give the spec, with what is at fault in it underlined."""
    shown = Syntax(
        code, "python", highlight_lines=marked, background_color="default", word_wrap=True
    )
    for number, line in enumerate(lines, 1):
        if line.part is not None:
            start, end = line.part
            shown.stylize_range("bold underline red", (number, start), (number, end))
    return shown


def _helps(card: Card) -> list[RenderableType]:
    if not card.helps:
        return []
    parts: list[RenderableType] = [Text("  What helps", style="bold")]
    for number, one in enumerate(card.helps, 1):
        parts.append(Padding(Text(f"{number}. {one.text}"), (0, 0, 0, 4)))
        for line in one.diff:
            colour = "green" if line.startswith("+") else "red"
            parts.append(Padding(Text(line, style=colour), (0, 0, 0, 7)))
        if one.command:
            parts.append(Padding(Text(one.command, style="cyan"), (0, 0, 0, 7)))
    if card.hint:
        parts.append(Padding(Text(card.hint, style="dim"), (0, 0, 0, 2)))
    return parts


def _log(lines: list[str], *, cut: bool) -> Padding:
    """Give the log, each line on one line if they are to be cut to fit."""
    how: OverflowMethod = "ellipsis" if cut else "fold"
    texts = [Text.from_ansi(coloured(line), no_wrap=cut, overflow=how) for line in lines]
    return Padding(Group(*texts), (0, 0, 0, 4))

"""Cards for a terminal, by rich."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from envd_magic.view.checks import checks_rich
from envd_magic.view.lines import coloured
from envd_magic.view.text import step_status

if TYPE_CHECKING:
    from rich.console import RenderableType

    from envd_magic.view.cards import Card

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
}
_STATUS = {"cached": "dim", "failed": "bold red", "running": "blue"}


def card_rich(card: Card, height: int | None = None) -> RenderableType:
    """Give all that a card shows.

    Parameters
    ----------
    card
        What to show.
    height
        Lines that there are; steps and log are cut to fit. None shows all.
    """
    parts = _head(card)
    log, steps = list(card.log), list(card.steps)
    if height is not None:
        room = max(4, height - len(parts) - len(card.notes) - 2)
        steps = steps[-(room // 2) :]
        log = log[-(room - len(steps)) :]
    if card.cause:
        parts.append(_log(log))
    if card.spec:
        marked = {number for number, line in enumerate(card.spec, 1) if line.marked}
        code = "\n".join(line.text for line in card.spec)
        parts.append(Syntax(code, "python", highlight_lines=marked, background_color="default"))
    facts = Table.grid(padding=(0, 2))
    for name, value in card.facts:
        facts.add_row(Text(name, style="dim"), Text(value, overflow="fold"))
    parts.append(Padding(facts, (0, 0, 0, 2)))
    parts += [Text(f"  note: {note}", style="yellow") for note in card.notes]
    if card.checks:
        parts.append(Padding(checks_rich(card.checks), (0, 0, 0, 2)))
    table = Table.grid(padding=(0, 2))
    for step in steps:
        status = Text(step_status(step), style=_STATUS.get(step.status, ""), justify="right")
        table.add_row(status, Text(step.name), Text(step.field, style="dim"))
    parts.append(Padding(table, (0, 0, 0, 2)))
    if not card.cause:
        parts.append(_log(log))
    return Group(*parts)


def _head(card: Card) -> list[RenderableType]:
    state, _, _ = card.heading.partition(":")
    parts: list[RenderableType] = [
        Text.assemble((f"{state}: ", f"bold {_COLOURS[card.state]}"), card.title)
    ]
    if card.progress is not None:
        parts.append(ProgressBar(total=1.0, completed=card.progress, width=40))
    if card.status:
        parts.append(Text(card.status))
    if card.cause:
        parts.append(Text(card.cause, style="bold"))
    return parts


def _log(lines: list[str]) -> Padding:
    texts = [Text.from_ansi(coloured(line), no_wrap=True, overflow="ellipsis") for line in lines]
    return Padding(Group(*texts), (0, 0, 0, 4))

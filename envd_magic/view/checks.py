"""What was asked for and what is there, as rows: text, HTML and terminal show the same ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from envd_magic.verification.result import DIFFERS, OK
from envd_magic.view.images import table
from envd_magic.view.lines import tidy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from envd_magic.verification.result import Item

HEADS = ("Outcome", "Field", "Item", "Asked", "Found")
# Where lines are cut: in text a table has to stay one.
_WIDEST = 60
# So many that are well are listed in text; of more, they are counted.
_MOST = 40
#: Of a cell whose words stay whole in a narrow window.
WORD = Markup(' class="envd-word"')
_COLOURS = {DIFFERS: "bold red", OK: "green"}


class Row(NamedTuple):
    """One row, its cells in the order of :data:`HEADS`."""

    outcome: str
    field: str
    item: str
    asked: str
    found: str


def rows(checks: Sequence[Item]) -> list[Row]:
    """Give a row for each item."""
    return [_row(item) for item in checks]


def _row(item: Item) -> Row:
    field = f"{item.field} ({item.platform})" if item.platform else item.field
    found = f"{item.found} ({item.why})" if item.found and item.why else item.found or item.why
    return Row(item.outcome, field, *(_line(cell) for cell in (item.item, item.asked, found)))


def _line(text: str) -> str:
    """Give a text on one line."""
    return " ⏎ ".join(text.splitlines())


def checks_text(checks: Sequence[Item]) -> list[str]:
    """Give lines of text."""
    shown = [row for row in rows(checks) if row.outcome != OK]
    good = [row for row in rows(checks) if row.outcome == OK]
    if len(good) > _MOST:
        good = _counted(good)
    # What is not well is told whole.
    cut = [*shown, *([tidy(cell, _WIDEST) for cell in row] for row in good)]
    return table([HEADS, *cut]).splitlines() if cut else []


def _counted(good: Sequence[Row]) -> list[Row]:
    fields = [row.field for row in good]
    return [Row(OK, field, "", "", f"{fields.count(field)} ok") for field in dict.fromkeys(fields)]


def checks_html(checks: Sequence[Item], left: Markup) -> Markup:
    """Give a table, and one that is folded of what is well.

    Parameters
    ----------
    checks
        What was compared.
    left
        Attribute that sets cells to the left.
    """
    shown = [row for row in rows(checks) if row.outcome != OK]
    good = [row for row in rows(checks) if row.outcome == OK]
    parts = [_table(shown, left)] if shown else []
    if good:
        parts.append(
            Markup("<details><summary>{} ok</summary>{}</details>").format(
                len(good), _table(good, left)
            )
        )
    return Markup("").join(parts)


def _table(shown: Sequence[Row], left: Markup) -> Markup:
    head = Markup("").join(Markup('<th scope="col"{}>{}</th>').format(left, name) for name in HEADS)
    body = Markup("").join(
        Markup("<tr{}>{}</tr>").format(
            Markup(' class="envd-fail"') if row.outcome == DIFFERS else Markup(""),
            Markup("").join(
                Markup("<td{}{}>{}</td>").format(left, WORD if head == "Field" else "", cell)
                for head, cell in zip(HEADS, row, strict=True)
            ),
        )
        for row in shown
    )
    return Markup(
        '<table aria-label="Asked and found"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
    ).format(head, body)


def checks_rich(checks: Sequence[Item]) -> Table:
    """Give a table of rich's."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, padding=(0, 1), pad_edge=False)
    for name in HEADS:
        made.add_column(name, overflow="fold", header_style="dim")
    for row in rows(checks):
        style = _COLOURS.get(row.outcome, "yellow")
        made.add_row(Text(row.outcome, style=style), *map(Text, row[1:]))
    return made

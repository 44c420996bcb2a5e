"""What the doctor found: one set of rows for text, HTML and the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from envd_magic.doctor.finding import FAIL, OK, WARNING, counted, has_failed
from envd_magic.view.cards import Card, clean
from envd_magic.view.checks import WORD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from envd_magic.doctor.finding import Finding

#: What each outcome is called, so that what fails is seen first.
_WORDS = {OK: "ok", WARNING: "warn", FAIL: "FAIL"}
_COLOURS = {OK: "green", WARNING: "yellow", FAIL: "bold red"}
#: Stands above them on a card that is not the doctor's own.
WHEN_REPORTED = "Doctor, when the report was made"
_HEADS = ("Outcome", "Check", "Found")


def examining_card(hint: str) -> Card:
    """Show that the doctor is at it."""
    return Card("examining", "what builds need", status=hint)


def findings_card(findings: Sequence[Finding]) -> Card:
    """Show what the doctor found."""
    state = "lacking" if has_failed(findings) else "examined"
    return clean(Card(state, counted(findings), findings=tuple(findings)))


def findings_text(findings: Sequence[Finding]) -> list[str]:
    """Give lines of text, what mends something below it."""
    width = max((len(one.name) for one in findings), default=0)
    lines = []
    for one in findings:
        lines.append(f"{_WORDS[one.outcome]:4}  {one.name:{width}}  {one.text}")
        if one.fix:
            lines.append(f"{'':4}  {'':{width}}  → {one.fix}")
    return lines


def findings_html(findings: Sequence[Finding], left: Markup) -> Markup:
    """Give a table.

    Parameters
    ----------
    findings
        What was found.
    left
        Attribute that sets cells to the left.
    """
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(left, name) for name in _HEADS
    )
    body = Markup("").join(
        Markup("<tr{1}><td{0}>{2}</td><td{0}{6}>{3}</td><td{0}>{4}{5}</td></tr>").format(
            left,
            Markup(' class="envd-fail"') if one.outcome == FAIL else Markup(""),
            _WORDS[one.outcome],
            one.name,
            one.text,
            Markup("<div>→ <code>{}</code></div>").format(one.fix) if one.fix else Markup(""),
            WORD,
        )
        for one in findings
    )
    return Markup(
        '<table aria-label="Doctor"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
    ).format(head, body)


def findings_rich(findings: Sequence[Finding]) -> Table:
    """Give a table of rich's."""
    from rich.table import Table
    from rich.text import Text

    made = Table.grid(padding=(0, 2))
    for one in findings:
        found = Text(one.text, overflow="fold")
        if one.fix:
            found = Text.assemble(found, "\n→ ", (one.fix, "cyan"), overflow="fold")
        made.add_row(Text(_WORDS[one.outcome], style=_COLOURS[one.outcome]), Text(one.name), found)
    return made

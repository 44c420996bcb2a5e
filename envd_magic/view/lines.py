"""Lines of a log as people are to see them: redraws, colours and control characters undone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from rich.style import Style
    from rich.text import Text

# A longer line is cut on the screen; the log has it whole.
WIDEST = 2000
# What a terminal would obey and a page cannot show; colours (ESC) are read before.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_PREFIX = re.compile(r"#\d+ \d+\.\d+ ")


def tidy(text: str, widest: int = WIDEST) -> str:
    """Give a line as a terminal shows it at the end: the last state of a redrawn line."""
    if "\r" in text:
        prefix = match[0] if (match := _PREFIX.match(text)) else ""
        last = text.rstrip("\r").rpartition("\r")[2]
        text = last if last.startswith(prefix) else prefix + last
    return text if len(text) <= widest else f"{text[:widest]}… ({len(text)} characters)"


def plain(text: str) -> str:
    """Give a line without colours and control characters."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def to_html(text: str) -> Markup:
    """Give a line as HTML, colours kept."""
    if "\x1b" not in text:
        return escape(_CONTROL.sub("", text))
    # 30 ms to import, and most logs have no colours.
    from rich.text import Text

    line = Text.from_ansi(text)
    parts = [_span(line.plain[a:b], style) for a, b, style in _runs(line)]
    return Markup("").join(parts)


def _runs(line: Text) -> list[tuple[int, int, Style | None]]:
    """Cut a line where its style changes."""
    from rich.style import Style

    styles: list[Style | None] = [None] * len(line.plain)
    for span in line.spans:
        if isinstance(span.style, Style):
            styles[span.start : span.end] = [span.style] * (span.end - span.start)
    runs: list[tuple[int, int, Style | None]] = []
    for position, style in enumerate(styles):
        if runs and runs[-1][2] is style:
            runs[-1] = (runs[-1][0], position + 1, style)
        else:
            runs.append((position, position + 1, style))
    return runs


def _span(text: str, style: Style | None) -> Markup:
    shown = escape(_CONTROL.sub("", text))
    if style is None:
        return shown
    rules = []
    if style.color is not None and not style.color.is_default:
        # Theme colours that can be read on light and dark pages alike, where the page has them.
        own = style.color.get_truecolor().hex
        number = style.color.number
        name = _ANSI[number] if number is not None and number < len(_ANSI) else ""
        rules.append(f"color:var(--jp-ansi-{name},{own})" if name else f"color:{own}")
    if style.bold:
        rules.append("font-weight:bold")
    if style.italic:
        rules.append("font-style:italic")
    if style.underline:
        rules.append("text-decoration:underline")
    return Markup('<span style="{}">{}</span>').format(";".join(rules), shown) if rules else shown


_ANSI = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")

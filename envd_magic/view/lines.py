"""Lines of a log as people are to see them: redraws, colours and control characters undone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

if TYPE_CHECKING:
    from rich.color import Color
    from rich.style import Style
    from rich.text import Text

# A longer line is cut on the screen; the log has it whole.
WIDEST = 2000
# What a terminal would obey and a page cannot show; colours (ESC) are read before.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\x80-\x9f]")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_COLOUR = re.compile(r"(\x1b\[[\d;:]*m)")
_CUT_ESCAPE = re.compile(r"\x1b[^@-Z\\^-~]*$")
_PREFIX = re.compile(r"#\d+ \d+\.\d+ ")


def tidy(text: str, widest: int = WIDEST) -> str:
    """Give a line as a terminal shows it at the end: the last state of a redrawn line."""
    if "\r" in text:
        prefix = match[0] if (match := _PREFIX.match(text)) else ""
        last = text.rstrip("\r").rpartition("\r")[2]
        text = last if last.startswith(prefix) else prefix + last
    if len(text) <= widest:
        return text
    return f"{_CUT_ESCAPE.sub('', text[:widest])}… ({len(text)} characters)"


def plain(text: str) -> str:
    """Give a line without colours and control characters."""
    return _CONTROL.sub("", _ESCAPE.sub("", text))


def coloured(text: str) -> str:
    """Give a line whose only escapes are colours: no terminal obeys the rest of it."""
    if "\x1b" not in text:
        return plain(text)
    parts = _COLOUR.split(text)
    return "".join(part if number % 2 else plain(part) for number, part in enumerate(parts))


def to_html(text: str) -> Markup:
    """Give a line as HTML, colours kept."""
    text = coloured(text)
    if "\x1b" not in text:
        return escape(text)
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
    rules = []
    if style is not None and style.color is not None and (colour := _colour(style.color)):
        rules.append(f"color:{colour}")
    if style is not None:
        rules += [rule for name, rule in _RULES.items() if getattr(style, name)]
    if not rules:
        return escape(text)
    return Markup('<span style="{}">{}</span>').format(";".join(rules), text)


def _colour(colour: Color) -> str:
    if colour.is_default:
        return ""
    if colour.number is not None and colour.number < len(_ANSI):
        return _ANSI[colour.number]
    return colour.get_truecolor().hex


_RULES = {
    "bold": "font-weight:bold",
    "italic": "font-style:italic",
    "underline": "text-decoration:underline",
}
# The sixteen colours of a terminal, as they can be read on light and on dark pages; its black and
# white are the page's own.
_PLAIN = ("", "#e0483e", "#1f8f4e", "#a67c00", "#2f7fe0", "#b853b0", "#1487a0", "")
_ANSI = (*_PLAIN, "#808080", *_PLAIN[1:])

"""Code as HTML in the colours of the page's theme, with the lines that changed marked."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Iterator

# JupyterLab's colours of code, else ones that do on light and on dark; mixed with the text's own,
# since on grey they are too pale by themselves (4.5 to 1, WCAG 2.1).
STYLE = Markup("""<style>
.envd-code{margin:0;padding:6px 8px!important;overflow:auto;max-height:36em;\
white-space:pre-wrap;overflow-wrap:anywhere;font-size:12px;\
line-height:1.4;font-family:var(--jp-code-font-family,monospace);background:rgba(128,128,128,.12)}
.envd-code span{color:color-mix(in srgb,var(--c),currentColor 30%)}
.envd-code .k{--c:var(--jp-mirror-editor-keyword-color,#008000);font-weight:600}
.envd-code .s{--c:var(--jp-mirror-editor-string-color,#ba2121)}
.envd-code .c{--c:var(--jp-mirror-editor-comment-color,#408080);font-style:italic}
.envd-code .m{--c:var(--jp-mirror-editor-number-color,#080)}
.envd-code ins{display:inline-block;min-width:100%;text-decoration:none;\
background:rgba(56,142,60,.18);box-shadow:-3px 0 0 var(--jp-success-color1,#388e3c)}
</style>""")
_CLASSES = {"Keyword": "k", "String": "s", "Comment": "c", "Number": "m"}


def code_html(text: str, language: str, before: str | None = None, label: str = "Code") -> Markup:
    """Give code as HTML.

    Parameters
    ----------
    text
        The code.
    language
        As pygments calls it.
    before
        The code as it was; lines that it has not are marked. None marks nothing.
    label
        What a screen reader calls it.
    """
    changed = _new_lines(before, text) if before is not None else frozenset()
    lines = [
        Markup("<ins>{}</ins>").format(line or " ") if number in changed else line
        for number, line in enumerate(_lines(text, language))
    ]
    shown = Markup("\n").join(lines)
    return STYLE + Markup(
        '<pre class="envd-code" tabindex="0" role="region" aria-label="{}">{}</pre>'
    ).format(label, shown)


def _new_lines(before: str, after: str) -> frozenset[int]:
    matcher = difflib.SequenceMatcher(None, before.splitlines(), after.splitlines(), autojunk=False)
    return frozenset(
        number
        for tag, _, _, begin, end in matcher.get_opcodes()
        if tag in ("insert", "replace")
        for number in range(begin, end)
    )


def _lines(text: str, language: str) -> Iterator[Markup]:
    from pygments.lexers import get_lexer_by_name

    lexer = get_lexer_by_name(language, stripnl=False, ensurenl=False)
    line = Markup("")
    for kind, value in lexer.get_tokens(text):
        style = next((_CLASSES[part] for part in map(str, kind) if part in _CLASSES), "")
        first, *rest = value.split("\n")
        line += _span(first, style)
        for piece in rest:
            yield line
            line = _span(piece, style)
    if line:
        yield line


def _span(text: str, style: str) -> Markup:
    if not text or not style:
        return Markup("{}").format(text)
    return Markup('<span class="{}">{}</span>').format(style, text)

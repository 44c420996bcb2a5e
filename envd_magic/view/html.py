"""Cards as HTML: small, readable without its style sheet, in the colours of the page's theme.

A notebook that is opened where it was not run shows outputs without style sheets and scripts. So
the structure says it all by itself (headings, tables, ``details``, words for what a colour tells)
and the style only makes it pleasant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup

from envd_magic.view.cards import EXAMINED
from envd_magic.view.checks import WORD, checks_html
from envd_magic.view.findings import WHEN_REPORTED, findings_html
from envd_magic.view.lines import to_html
from envd_magic.view.text import step_status

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envd_magic.pipeline.result import Step
    from envd_magic.view.cards import Card, SpecLine

# JupyterLab's variables where they are, else colours that do on light and on dark. A word in such
# a colour is mixed with the text's own, or it is too pale on white (4.5 to 1, WCAG 2.1).
STYLE = Markup("""<style>
.envd-card{border-left:3px solid var(--e);padding:2px 0 2px 12px;margin:4px 0;max-width:100%;\
overflow-wrap:anywhere;--e:var(--jp-brand-color1,#1976d2)}
.envd-built,.envd-exists,.envd-verified,.envd-examined{--e:var(--jp-success-color1,#388e3c)}
.envd-failed,.envd-differs,.envd-unverified,.envd-lacking{--e:var(--jp-error-color1,#d32f2f)}
.envd-stopped{--e:var(--jp-warn-color1,#c77700)}
.envd-card .envd-title{font-weight:600;margin:0 0 4px}
.envd-card .envd-title b{color:color-mix(in srgb,var(--e),currentColor 35%)}
.envd-card .envd-bar{height:4px;background:rgba(128,128,128,.3);border-radius:2px;margin:6px 0;\
max-width:40em}
.envd-card .envd-bar div{height:4px;background:var(--e);border-radius:2px}
.envd-card table{margin:4px 0;border-collapse:collapse;display:table;text-align:left;\
table-layout:auto;color:inherit;font-size:inherit}
.envd-card th,.envd-card td{text-align:left!important;vertical-align:top;padding:1px 14px 1px 0;\
border:0;background:none!important;font-weight:normal;white-space:normal}
.envd-card tr{background:none!important}
.envd-card th,.envd-card td:first-child{white-space:nowrap;overflow-wrap:normal}
.envd-card thead th,.envd-card tbody th{opacity:.75}
.envd-card td:last-child,.envd-card code{overflow-wrap:anywhere}
.envd-card td.envd-word{overflow-wrap:normal}
.envd-card td.envd-text{min-width:6em}
.envd-card .envd-wide{overflow-x:auto}
.envd-card code,.envd-card pre{font-family:var(--jp-code-font-family,monospace);\
background:none!important;color:inherit;padding:0!important}
.envd-card pre{white-space:pre-wrap;margin:4px 0;padding:6px 8px!important;\
background:rgba(128,128,128,.12)!important;font-size:12px;line-height:1.4;max-height:24em;\
overflow:auto}
.envd-card summary{cursor:pointer}
.envd-card mark{background:rgba(211,47,47,.25);color:inherit}
.envd-card ins,.envd-card del{text-decoration:none;display:block}
.envd-card ins{background:rgba(56,142,60,.2)}
.envd-card del{background:rgba(211,47,47,.15)}
.envd-card .envd-helps ol{margin:2px 0;padding-left:24px}
.envd-card .envd-helps li{display:list-item}
.envd-card .envd-fail td{color:color-mix(in srgb,var(--e),currentColor 35%);font-weight:600}
</style>""")
# JupyterLab sets tables' cells to the right. Where it takes a style sheet away, it leaves this.
LEFT = Markup(' style="text-align:left"')
_CODE = ("Image", "Digest", "Use", "Log")


def card_html(card: Card) -> Markup:
    """Give all that a card shows."""
    parts = [_title(card)]
    if card.progress is not None:
        parts.append(_progress(card.progress))
    if card.status:
        parts.append(Markup('<div role="status">{}</div>').format(card.status))
    if card.cause:
        parts.append(Markup("<div><strong>{}</strong></div>").format(card.cause))
        if card.step:
            parts.append(Markup("<div>{}</div>").format(card.step))
        parts.append(_log(card.log, "Last lines of the step"))
    if card.spec:
        parts.append(_spec(card.spec))
    parts.append(_helps(card))
    parts.append(_facts(card.facts))
    parts += [Markup("<div>Note: {}</div>").format(note) for note in card.notes]
    if card.checks:
        parts.append(checks_html(card.checks, LEFT))
    if card.findings:
        parts.append(_findings(card))
    running = card.progress is not None
    if card.steps:
        parts.append(_steps(card.steps, folded=not running))
    if not card.cause:
        parts.append(_log(card.log, "Last lines of the log"))
    return STYLE + Markup(
        '<div class="envd-card envd-{}" role="group" aria-label="{}">{}</div>'
    ).format(card.state, f"envd build. {card.heading}", Markup("").join(parts))


def _title(card: Card) -> Markup:
    state, _, _ = card.heading.partition(":")
    return Markup('<div class="envd-title"><b>{}:</b> {}</div>').format(state, card.title)


def _progress(progress: float) -> Markup:
    percent = round(progress * 100)
    return Markup(
        '<div class="envd-bar" role="progressbar" aria-label="Build progress" aria-valuemin="0" '
        'aria-valuemax="100" aria-valuenow="{0}"><div style="width:{0}%"></div></div>'
    ).format(percent)


def _facts(facts: Iterable[tuple[str, str]]) -> Markup:
    rows = [
        Markup('<tr><th scope="row"{}>{}</th><td{}>{}</td></tr>').format(
            LEFT,
            name,
            LEFT,
            Markup("<code>{}</code>").format(value) if name in _CODE or "/" in name else value,
        )
        for name, value in facts
    ]
    if not rows:
        return Markup("")
    return Markup("<table><tbody>{}</tbody></table>").format(Markup("").join(rows))


def _steps(steps: tuple[Step, ...], *, folded: bool) -> Markup:
    rows = Markup("").join(
        Markup("<tr{1}><td{0}>{2}</td><td{0}>{3}</td><td{0}{5}>{4}</td></tr>").format(
            LEFT,
            Markup(' class="envd-fail"') if step.status == "failed" else Markup(""),
            step_status(step),
            step.name,
            step.field,
            WORD,
        )
        for step in steps
    )
    head = Markup("").join(
        Markup('<th scope="col"{}>{}</th>').format(LEFT, name) for name in ("Time", "Step", "Field")
    )
    table = Markup(
        '<table aria-label="Steps"><thead><tr>{}</tr></thead><tbody>{}</tbody></table>'
    ).format(head, rows)
    if not folded:
        return table
    cached = sum(step.status == "cached" for step in steps)
    count = f"{len(steps)} step{'' if len(steps) == 1 else 's'}, {cached} cached"
    return Markup("<details><summary>{}</summary>{}</details>").format(count, table)


def _findings(card: Card) -> Markup:
    own = card.state in EXAMINED
    head = Markup("") if own else Markup("<div><strong>{}</strong></div>").format(WHEN_REPORTED)
    return head + findings_html(card.findings, LEFT)


def _log(lines: tuple[str, ...], label: str) -> Markup:
    if not lines:
        return Markup("")
    text = Markup("\n").join(to_html(line) for line in lines)
    return Markup('<pre role="log" aria-live="off" aria-label="{}" tabindex="0">{}</pre>').format(
        label, text
    )


def _spec(lines: tuple[SpecLine, ...]) -> Markup:
    shown = Markup("\n").join(_spec_line(line) for line in lines)
    return Markup("<details open><summary>ImageSpec</summary><pre>{}</pre></details>").format(shown)


def _spec_line(line: SpecLine) -> Markup:
    if not line.marked:
        return Markup("{}").format(line.text)
    start, end = line.part or (len(_indent(line.text)), len(line.text))
    text = line.text
    return Markup("{}<mark>{}</mark>{}").format(text[:start], text[start:end], text[end:])


def _helps(card: Card) -> Markup:
    if not card.helps:
        return Markup("")
    items = Markup("").join(
        Markup("<li>{}{}{}</li>").format(
            one.text,
            Markup("<pre>{}</pre>").format(Markup("").join(map(_diff_line, one.diff)))
            if one.diff
            else "",
            Markup("<pre>{}</pre>").format(one.command) if one.command else "",
        )
        for one in card.helps
    )
    hint = Markup("<div>{}</div>").format(card.hint) if card.hint else ""
    return Markup('<div class="envd-helps"><strong>What helps</strong><ol>{}</ol>{}</div>').format(
        items, hint
    )


def _diff_line(line: str) -> Markup:
    form = Markup("<ins>{}</ins>") if line.startswith("+") else Markup("<del>{}</del>")
    return form.format(line)


def _indent(text: str) -> str:
    return text[: len(text) - len(text.lstrip())]

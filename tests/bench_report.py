"""From bench.json to the table in the README: ``python -m tests.bench_report``.

The table goes between the two marks, which the README has when it has figures.
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("bench.json")
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->"
_HEAD = ("", "envd_magic", "flytekitplugins-envd", "envd alone", "ratio", "at most")
_LONGEST_UNCHANGED = 2.0


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Parameters
    ----------
    name
        Of its figures.
    title
        What was done.
    against
        Row of the reference's figures, if it is another.
    most
        What the ratio of the medians may be.
    unit
        "s", "ms" or "" for a count.
    """

    name: str
    title: str
    against: str = ""
    most: float | None = None
    unit: str = "s"


ROWS = (
    Row("cold", "cold build of five packages", most=0.55),
    Row("import", "their first import in a fresh container", most=1.1),
    Row("unchanged", "unchanged, built again", most=0.05),
    Row("unchanged_unforced", "unchanged, asked for again", unit="ms"),
    Row("command", "a changed command", most=0.1),
    Row("file", "a changed file", most=0.1),
    Row("package", "one package added"),
    Row("package_incremental", "one package added, incremental", against="package", most=0.25),
    Row("preview", "preview", unit="ms"),
    Row("plan", "plan (envd alone: `envd debug llb`)", unit="ms"),
    Row("verify", "verify of the image, imports too"),
    Row("load", "loading the extension, or the plug-in", unit="ms"),
    Row("first_line", "first line shown"),
    Row("stream", "200,000 lines in a notebook"),
    Row("messages", "messages to the page for them", unit=""),
    Row("lost", "lines of them lost", unit=""),
)


def text_table(results: dict[str, Any]) -> str:
    """Give the table in Markdown, with what it was measured on."""
    lines = [_line(*_HEAD), _line(*["---"] * len(_HEAD))]
    rows = results["rows"]
    for row in ROWS:
        found = rows.get(row.name, {})
        if not found:
            continue
        reference = found.get("reference") or rows.get(row.against, {}).get("reference", [])
        ratio = f"{_ratio(row, rows):.2f}" if row.most else ""
        lines.append(
            _line(
                row.title,
                _figure(found.get("ours", []), row.unit),
                _figure(reference, row.unit),
                _figure(found.get("raw", []), row.unit),
                ratio,
                str(row.most or ""),
            )
        )
    return "\n".join([*lines, "", _measured(results)]) + "\n"


def failures(results: dict[str, Any]) -> list[str]:
    """Tell the ratios that are not kept."""
    rows = results["rows"]
    found = [
        f"FAIL {row.title}: {_ratio(row, rows):.2f} is more than {row.most}"
        for row in ROWS
        if row.most and rows.get(row.name) and _ratio(row, rows) > row.most
    ]
    slow = [took for took in rows["unchanged"]["ours"] if took >= _LONGEST_UNCHANGED]
    if slow:
        found.append(f"FAIL unchanged: {len(slow)} took {_LONGEST_UNCHANGED} s or more")
    return found


def readme(text: str, results: dict[str, Any]) -> str:
    """Give the README's text with the table of these figures in it."""
    begin, end = text.index(BEGIN) + len(BEGIN), text.index(END)
    return text[:begin] + text_table(results) + text[end:]


def _ratio(row: Row, rows: dict[str, dict[str, list[float]]]) -> float:
    against = rows[row.against or row.name]["reference"]
    return statistics.median(rows[row.name]["ours"]) / statistics.median(against)


def _figure(values: list[float], unit: str) -> str:
    """Give a median, and in parentheses the least and the most."""
    if not values:
        return "-"
    median = _number(statistics.median(values), unit)
    least, most = _number(min(values), unit), _number(max(values), unit)
    spread = f" ({least}-{most})" if least != most else ""
    return f"{median} {unit}{spread}".replace("  ", " ").strip()


def _number(value: float, unit: str) -> str:
    if not unit:
        return f"{value:,.0f}"
    if unit == "ms":
        return f"{value * 1000:,.0f}" if value >= 0.01 else f"{value * 1000:.1f}"
    return f"{value:.1f}" if value >= 1 else f"{value:.2f}"


def _measured(results: dict[str, Any]) -> str:
    """Tell machine, versions and repeats."""
    on, rows = results["machine"], results["rows"]
    times = ", ".join(
        f"{name} {len(rows[name]['reference'])} times"
        for name in ("cold", "unchanged", "command", "package")
        if name in rows
    )
    return (
        f"Medians, in parentheses the least and the most ({times}). {on['processors']}, "
        f"{on['memory']}, {on['system']}; Docker {on['docker']}, envd {on['envd']}, "
        f"flytekit {on['flytekit']}, flytekitplugins-envd {on['flytekitplugins-envd']}, "
        f"Python {on['python']}."
    )


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> int:
    """Write the table into the README."""
    results = json.loads(RESULTS.read_text())
    README.write_text(readme(README.read_text(encoding="utf-8"), results), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

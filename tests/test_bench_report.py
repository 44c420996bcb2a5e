"""The table of the comparison, from its figures."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from .bench_report import README, RESULTS, failures, readme, text_table

_ROWS: dict[str, dict[str, list[float]]] = {
    "cold": {"ours": [5.0, 6.0, 20.0], "reference": [12.0], "raw": [11.0]},
    "unchanged": {"ours": [0.4] * 10, "reference": [12.0]},
    "package": {"ours": [6.0], "reference": [12.0]},
    "package_incremental": {"ours": [2.0]},
}
_MACHINE = dict.fromkeys(
    ["processors", "memory", "system", "docker", "envd", "flytekit", "python"], "1"
)
FIGURES: dict[str, Any] = {"machine": {**_MACHINE, "flytekitplugins-envd": "1.16"}, "rows": _ROWS}


def test_a_row_tells_median_spread_and_ratio() -> None:
    rows = text_table(FIGURES).splitlines()
    assert (
        rows[2]
        == "| cold build of five packages | 6.0 s (5.0-20.0) | 12.0 s | 11.0 s | 0.50 | 0.55 |"
    )
    assert rows[5].endswith("| 2.0 s | 12.0 s | - | 0.17 | 0.25 |")


def test_a_ratio_that_is_not_kept_is_a_failure() -> None:
    assert failures(FIGURES) == []
    slower = deepcopy(FIGURES)
    slower["rows"]["cold"]["ours"] = [8.0]
    slower["rows"]["unchanged"]["ours"][3] = 2.5
    assert [text.partition(":")[0] for text in failures(slower)] == [
        "FAIL cold build of five packages",
        "FAIL unchanged",
    ]


def test_the_readme_has_the_figures_that_were_measured_and_they_keep_every_ratio() -> None:
    measured, text = json.loads(RESULTS.read_text()), README.read_text(encoding="utf-8")
    assert readme(text, measured) == text
    assert failures(measured) == []

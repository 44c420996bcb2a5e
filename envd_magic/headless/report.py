"""Findings as lines, as JSON and as JUnit's XML."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from envd_magic.headless.check import Finding
    from envd_magic.headless.find import Source


def as_json(findings: Sequence[Finding]) -> str:
    """One object a line."""
    return "\n".join(json.dumps(fields(finding)) for finding in findings)


def fields(finding: Finding) -> dict[str, object]:
    """Give a finding's fields by their names."""
    return {
        "path": str(finding.path),
        "cell": finding.cell,
        "line": finding.line,
        "field": finding.field,
        "message": finding.message,
        "kind": "error" if finding.fatal else "warning",
    }


def write_junit(path: Path, sources: Sequence[Source], findings: Sequence[Finding]) -> None:
    """Write a test suite for each file and a test for each place that defines images."""
    root = ET.Element("testsuites", name="envd-magic check")
    for source in sources:
        _suite(root, source, [one for one in findings if one.path == source.path])
    ET.indent(root)
    path.write_bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True) + b"\n")


def _suite(root: ET.Element, source: Source, findings: list[Finding]) -> None:
    cases = [(definition.cell, definition.where) for definition in source.definitions]
    if source.error is not None or not cases:
        cases = [(None, str(source.path))]
    failed = 0
    place = _clean(str(source.path))
    suite = ET.SubElement(root, "testsuite", name=place, tests=str(len(cases)))
    for number, (cell, name) in enumerate(cases):
        case = ET.SubElement(suite, "testcase", classname=place, name=_clean(name))
        # In a file without cells, a finding belongs to the last place before it.
        own = [
            finding
            for finding in findings
            if (finding.cell == cell if cell is not None else _owner(source, finding) == number)
        ]
        if errors := [finding for finding in own if finding.fatal]:
            failed += 1
            failure = ET.SubElement(case, "failure", message=_clean(errors[0].message))
            failure.text = _clean("\n".join(map(str, errors)))
        if notes := [str(finding) for finding in own if not finding.fatal]:
            ET.SubElement(case, "system-out").text = _clean("\n".join(notes))
    suite.set("failures", str(failed))


def _owner(source: Source, finding: Finding) -> int:
    before = [n for n, one in enumerate(source.definitions) if one.line <= finding.line]
    return before[-1] if before else 0


def _clean(text: str) -> str:
    """Leave out what XML cannot hold."""
    return (
        "".join(char for char in text if char in "\t\n" or " " <= char not in "\ufffe\uffff")
        .encode("utf-8", "replace")
        .decode("utf-8")
    )

"""What `make audit` says of what pip-audit says."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from .audit import main

GOOD = {"name": "attrs", "version": "24.1.0", "vulns": []}
BAD = {
    "name": "jinja2",
    "version": "3.1.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["3.1.6"], "aliases": [], "description": ""}],
}
UNKNOWN = {"name": "attrs", "skip_reason": "Dependency not found on PyPI"}


@pytest.fixture
def audit(tmp_path: Path) -> Any:
    """Give what makes a pip-audit that answers so, for each service."""

    def make(**answers: list[dict[str, Any]]) -> str:
        path = tmp_path / "pip-audit"
        told = {name: json.dumps({"dependencies": packages}) for name, packages in answers.items()}
        path.write_text(
            f"#!{sys.executable}\n"
            f"import sys\n"
            f"told = {told!r}.get(sys.argv[sys.argv.index('--vulnerability-service') + 1])\n"
            "print(told) if told else sys.exit('Failed to resolve: no such host')\n"
        )
        path.chmod(0o755)
        return str(path)

    return make


def test_what_is_known_to_be_vulnerable_fails(
    audit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(audit(pypi=[GOOD, BAD, UNKNOWN])) == 1
    assert capsys.readouterr().out.splitlines() == [
        "jinja2 3.1.0: PYSEC-1, mended in 3.1.6",
        "pypi: 2 packages audited, 1 not known to it, vulnerabilities: 1",
    ]


def test_what_is_good_is_counted(audit: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(audit(pypi=[GOOD])) == 0
    assert capsys.readouterr().out == (
        "pypi: 1 packages audited, 0 not known to it, vulnerabilities: 0\n"
    )


def test_another_service_is_asked_where_one_knows_nothing(
    audit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(audit(pypi=[UNKNOWN], osv=[BAD])) == 1
    assert "pypi: not audited: it knows none of 1 packages" in capsys.readouterr().out


def test_services_that_are_not_there_fail_nothing_and_are_told(
    audit: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(audit()) == 0
    told = capsys.readouterr().out
    assert "pypi: not reached: Failed to resolve: no such host" in told
    assert "Nothing was audited; this is no failure, and no all-clear." in told

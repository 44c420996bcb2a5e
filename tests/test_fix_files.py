"""What helps where a requirement stands in a file: the file, the line and what it becomes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic.diagnosis.diagnose import diagnose
from envd_magic.diagnosis.model import Diagnosis, Failure
from envd_magic.interactive.fixing import edited_file
from envd_magic.view.failed import failure_card
from envd_magic.view.text import card_text

if TYPE_CHECKING:
    from pathlib import Path

FILE = """\
# what the trainer needs
-c limits/all.txt

attrs
acme-tabels[fast] == 3.1 ; python_version > '3'  # tables
-r more.txt
"""
MISSING = "Could not find a version that satisfies the requirement {} (from versions: {})"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ImageSpec:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.txt").write_text(FILE)
    (tmp_path / "more.txt").write_text("\nacme-more==1 \\\n    --hash=sha256:00\n")
    (tmp_path / "limits").mkdir()
    (tmp_path / "limits" / "all.txt").write_text("acme-core<1\n")
    return ImageSpec(name="files", requirements="r.txt")


def found(spec: ImageSpec, *lines: str) -> Diagnosis:
    failure = Failure(("BuildError",), "The step failed", "Building", "x", "requirements", lines)
    return diagnose(spec, failure)


def test_the_line_of_the_file_is_named_and_what_it_becomes(spec: ImageSpec, tmp_path: Path) -> None:
    one = found(spec, MISSING.format("acme-tabels[fast]==3.1", "2.9, 3.0"))
    item = "acme-tabels[fast] == 3.1 ; python_version > '3'"
    assert one.item == item
    assert str(one).startswith(f"requirements[{item!r}] (r.txt, line 5): there is no version")
    first = one.fixes[0]
    assert first.text.startswith("write 'acme-tabels[fast]==3.0 ;")
    assert "in r.txt, line 5" in first.text
    assert first.changes == ()
    [edit] = first.edits
    assert edit.diff == (
        f"-{FILE.splitlines()[4]}",
        '+acme-tabels[fast]==3.0 ; python_version > "3"  # tables',
    )
    # Nothing is changed unasked.
    assert (tmp_path / "r.txt").read_text() == FILE
    assert Diagnosis.from_json(json.loads(json.dumps(one.to_json()))) == one


def test_the_card_shows_the_change_of_the_file(spec: ImageSpec) -> None:
    error = ValueError("The step failed")
    error.diagnosis = found(spec, MISSING.format("acme-tabels==3.1", "3.0"))  # type: ignore[attr-defined]
    from envd_magic.spec.secrets import Secrets

    text = card_text(failure_card(error, spec, Secrets(), None))
    assert "(r.txt, line 5)" in text
    assert "+acme-tabels[fast]==3.0" in text


def test_a_cell_changes_the_line_and_nothing_else(spec: ImageSpec, tmp_path: Path) -> None:
    one = found(spec, MISSING.format("acme-tabels==3.1", "3.0"))
    cell = edited_file(one.fixes[0])
    exec(cell, {})  # noqa: S102
    lines = FILE.splitlines()
    lines[4] = 'acme-tabels[fast]==3.0 ; python_version > "3"  # tables'
    assert (tmp_path / "r.txt").read_text().splitlines() == lines
    with pytest.raises(AssertionError, match="has changed"):
        exec(cell, {})  # noqa: S102


def test_a_line_of_a_file_that_the_file_names(spec: ImageSpec) -> None:
    one = found(spec, "Because acme-more was not found in the package registry and you require it")
    assert one.where == "more.txt, line 2"
    [drop] = [fix for fix in one.fixes if "leave" in fix.text]
    assert drop.edits[0].diff == ("-acme-more==1 \\", "-    --hash=sha256:00")
    assert found(spec, MISSING.format("acme-core<1", "1.0")).where == "limits/all.txt, line 1"


def test_a_hash_is_of_no_other_version(spec: ImageSpec) -> None:
    first = found(spec, MISSING.format("acme-more==1", "2.0")).fixes[0]
    assert "acme-more==2.0" in first.text
    assert first.edits == ()


def test_a_login_of_a_file_is_in_no_change(spec: ImageSpec, tmp_path: Path) -> None:
    url = "https://me:sesame-4711@h.example/acme-1.whl"
    (tmp_path / "r.txt").write_text(f"acme @ {url}\n")
    said = "HTTP error 404 while getting https://me:****@h.example/acme-1.whl"
    one = found(spec, said)
    assert one.where == "r.txt, line 1"
    assert "sesame" not in repr(one)
    assert all(fix.edits == () for fix in one.fixes)


def test_an_index_that_the_file_names(spec: ImageSpec, tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text(
        "six\n--extra-index-url https://pypi.corp.invalid/simple # ours\n"
    )
    why = "dns error: failed to lookup address information: Name or service not known"
    one = found(spec, f"error: Failed to fetch: `https://pypi.corp.invalid/simple/six/`\n  {why}")
    assert (one.kind, one.field) == ("index-unreachable", "requirements")
    assert one.where == "r.txt, line 2"
    assert one.fixes[0].edits[0].new == ()

"""Reports of builds: what a colleague sees in them, and what nobody may see."""

from __future__ import annotations

import base64
import getpass
import gzip
import json
import platform
from typing import TYPE_CHECKING

import pytest

from envd_magic.errors import FileError
from envd_magic.records.anonymous import Anonymous
from envd_magic.spec.secrets import Secrets

from .far import free_port
from .notebooks import run
from .shells import shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lab import Lab

TOKEN, LOGIN, OTHER = "planted-tok3n", "planted-l0gin", "planted-0ther"
CELL = f"""%%envd_build broken --no-push
ImageSpec(
    name="report-doctor8",
    registry="HOST",
    env={{"API_TOKEN": "{TOKEN}"}},
    commands=["echo at $HOME with $API_TOKEN; cat /home/someone/none"],
)
"""


@pytest.fixture(scope="module")
def reported(
    lab: Lab, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, str, Path]]:
    """Give a report, what was said when it was made, and the home of who made it."""
    folder = tmp_path_factory.mktemp("zoe")
    host = f"localhost:{free_port('127.0.0.1')}"
    login = base64.b64encode(f"zoe:{LOGIN}".encode()).decode()
    (folder / "config.json").write_text(json.dumps({"auths": {host: {"auth": login}}}))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.setenv("ENVD_MAGIC_HOME", str(folder / "kept"))
        patch.setenv("DOCKER_CONFIG", str(folder))
        patch.setenv("MY_PASSWORD", OTHER)
        patch.setenv("USER", "zoequux")
        patch.setenv("LOGNAME", "zoequux")
        own = shell()
        with pytest.raises(Exception, match="exit code 1"):
            own.do(CELL.replace("HOST", host))
        said = own.do("%envd report broken.jsonl.gz")
        assert run("report", "cli.jsonl.gz").exit_code == 0
        yield folder / "broken.jsonl.gz", said, folder


def text_of(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def test_it_is_said_where_it_is_and_what_the_doctor_finds(
    reported: tuple[Path, str, Path],
) -> None:
    assert reported[1].startswith("Saved broken.jsonl.gz; the doctor: ")
    assert reported[1].rstrip().endswith("1 failed")


def test_a_replay_shows_the_failure_its_diagnosis_and_the_findings(
    reported: tuple[Path, str, Path],
) -> None:
    shown = shell().do(f"%envd replay {reported[0]} --speed 0")
    assert "Failed to build: localhost:" in shown
    assert "commands[" in shown
    assert "Doctor, when the report was made" in shown
    assert "FAIL  registry" in shown
    assert "ok    engine" in shown


def test_it_has_the_diagnosis_and_the_findings_as_values(
    reported: tuple[Path, str, Path],
) -> None:
    first = json.loads(text_of(reported[0]).splitlines()[0])
    assert first["report"]["diagnosis"]["field"] == "commands"
    assert {"envd", "engine", "registry"} <= {one["name"] for one in first["report"]["doctor"]}


@pytest.mark.parametrize("name", ["broken.jsonl.gz", "cli.jsonl.gz"])
def test_no_secret_and_nobody_is_in_it(reported: tuple[Path, str, Path], name: str) -> None:
    _, _, home = reported
    text = text_of(home / name)
    pair = base64.b64encode(f"zoe:{LOGIN}".encode()).decode()
    never = [TOKEN, LOGIN, OTHER, pair, str(home), "zoequux", "someone"]
    assert [one for one in never if one in text] == []
    assert "commands" in text


# Without a build.


def test_a_build_that_found_no_engine_can_be_reported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    monkeypatch.chdir(tmp_path)
    own = shell()
    with pytest.raises(Exception, match="No Docker engine answers"):
        own.do("%%envd_build lost\nImageSpec(name='lost-doctor8', base_image='localhost:9/x:1')")
    own.do("%envd report lost.jsonl")
    shown = own.do("%envd replay lost.jsonl --speed 0")
    assert "FAIL  engine" in shown
    assert "→ sudo systemctl start docker" in shown


def test_places_and_names_are_taken_out_and_the_rest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "quux"))
    monkeypatch.setenv("LOGNAME", "quuxer")
    monkeypatch.setattr(getpass, "getuser", lambda: "quuxer")
    monkeypatch.setattr(platform, "node", lambda: "wobble.example")
    monkeypatch.setenv("DEPLOY_TOKEN", "planted-env")
    hide = Anonymous(Secrets(["planted-one"]))
    told = hide.value(
        {"a": [f"{tmp_path}/quux/x", "wobble: planted-one", "ssh://quuxer@far/run", "planted-env"]}
    )
    assert told == {"a": ["~/x", "host: ****", "ssh://user@far/run", "****"]}
    assert hide.text("/Users/bob/y and /home/amy/z") == "/Users/user/y and /home/user/z"
    assert hide.text("pandas wobbles in ImageSpec(quuxer=1)") == (
        "pandas wobbles in ImageSpec(quuxer=1)"
    )


def test_a_build_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path))
    result = run("report", "x.jsonl.gz", "--build", "7")
    assert result.exit_code == 2
    assert "build 7: the history has none" in result.output
    assert run("report", "x.jsonl.gz").output == "error: no build is in the history\n"


def test_findings_that_are_none_are_told(tmp_path: Path) -> None:
    from envd_magic.doctor.report import findings_of
    from envd_magic.records.recording import Recording

    with pytest.raises(FileError, match="its findings cannot be read"):
        findings_of(Recording(tmp_path / "x", {"report": {"doctor": [{"no": 1}]}}))

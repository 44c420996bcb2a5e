"""The program that installs inside a build, run here in a virtual environment of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

import pytest

from envd_magic.recipe.installer import installer_source, uv

_PROJECT = """
[project]
name = "{name}"
version = "1"
dependencies = {needs}

[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""
# The smallest of builders, so that nothing has to be fetched for it.
_BACKEND = """
import pathlib, zipfile

def build_wheel(folder, *_):
    name = pathlib.Path.cwd().name
    info = name + "-1.dist-info/"
    with zipfile.ZipFile(pathlib.Path(folder, name + "-1-py3-none-any.whl"), "w") as wheel:
        wheel.writestr(name + ".py", "")
        wheel.writestr(info + "METADATA", pathlib.Path("METADATA").read_text())
        lines = ["Wheel-Version: 1.0", "Root-Is-Purelib: true", "Tag: py3-none-any", ""]
        wheel.writestr(info + "WHEEL", "\\n".join(lines))
        wheel.writestr(info + "RECORD", "")
    return name + "-1-py3-none-any.whl"
"""


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    venv.create(tmp_path / "venv", with_pip=True)
    return tmp_path / "venv"


def _project(folder: Path, *needs: str) -> str:
    """Make a project on this machine; its packages are named by where they lie."""
    folder.mkdir()
    lines = [f"Requires-Dist: {need}\n" for need in needs]
    (folder / "pyproject.toml").write_text(_PROJECT.format(name=folder.name, needs=list(needs)))
    (folder / "backend.py").write_text(_BACKEND)
    text = f"Metadata-Version: 2.1\nName: {folder.name}\nVersion: 1\n{''.join(lines)}"
    (folder / "METADATA").write_text(text)
    return f"{folder.name} @ {folder.as_uri()}"


def _install(environment: Path, **asked: Any) -> str:
    question = environment.parent / "asked.json"
    question.write_text(json.dumps(asked))
    program = environment.parent / "installer.py"
    program.write_text(installer_source())
    run = [str(environment / "bin/python"), str(program), str(question)]
    done = subprocess.run(run, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_nothing_of_uv_stays(environment: Path, tmp_path: Path) -> None:
    inner = _project(tmp_path / "inner")
    outer = _project(tmp_path / "outer", inner)
    before = set(environment.rglob("*"))
    said = _install(
        environment,
        files={"packages.txt": f"{outer}\n"},
        installs=["-r packages.txt"],
        names=["outer"],
    )
    assert "envd_magic: pip installs" not in said
    new = {path.relative_to(environment) for path in set(environment.rglob("*")) - before}
    site = Path("lib", f"python{sys.version_info.major}.{sys.version_info.minor}", "site-packages")
    info = ["INSTALLER", "METADATA", "RECORD", "WHEEL", "direct_url.json"]
    files = {f"inner-1.dist-info/{name}" for name in info}
    files |= {f"outer-1.dist-info/{name}" for name in [*info, "REQUESTED"]}
    files |= {"inner.py", "outer.py", "inner-1.dist-info", "outer-1.dist-info"}
    cached = {path for path in new if "__pycache__" in path.parts}
    assert new - cached == {site / name for name in files}
    record = (environment / site / "inner-1.dist-info/RECORD").read_text()
    listed = {line.split(",")[0] for line in record.splitlines()}
    assert all((environment / site / name).exists() for name in listed)
    assert {"inner.py", "inner-1.dist-info/METADATA"} <= listed


_UV = """
import pathlib, sys
asked = pathlib.Path({asked!r})
asked.write_text((asked.read_text() if asked.exists() else "") + "x")
if len(asked.read_text()) < {answers_at}:
    sys.exit("error: failed to lookup address information: {why}")
print("Installed")
"""


@pytest.mark.parametrize(
    ("why", "tries"),
    [("Temporary failure in name resolution", 3), ("Name or service not known", 1)],
)
def test_a_name_server_that_was_silent_is_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str, tries: int
) -> None:
    monkeypatch.setattr(uv, "PAUSES", (0, 0, 0))
    asked = tmp_path / "asked"
    run = [sys.executable, "-c", _UV.format(asked=str(asked), answers_at=3, why=why)]
    code, text = uv.heard(run, {}, quiet=True)
    assert len(asked.read_text()) == tries
    assert (code == 0) == ("Installed" in text) == (tries > 1)


def test_a_name_server_that_stays_silent_ends_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uv, "PAUSES", (0, 0, 0))
    asked = tmp_path / "asked"
    why = "Temporary failure in name resolution"
    run = [sys.executable, "-c", _UV.format(asked=str(asked), answers_at=99, why=why)]
    with pytest.raises(SystemExit):
        uv.attempt(run, {})
    assert len(asked.read_text()) == 1 + len(uv.PAUSES)

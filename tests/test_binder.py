"""What Binder does with this repository: an unprivileged user, no root, no engine."""

from __future__ import annotations

import json
import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest

from .users import let_others_in

ROOT = Path(__file__).parent.parent
_TAKEN = ("envd_magic", "binder", "notebooks", "pyproject.toml", "README.md", "LICENSE")
# Runs a notebook as Jupyter would, and prints its cells' outputs.
_PROGRAM = """
import json, sys, nbformat
from nbclient import NotebookClient
notebook = nbformat.read(sys.argv[1], 4)
NotebookClient(notebook, timeout=300, resources={"metadata": {"path": "notebooks"}}).execute()
print(json.dumps([json.dumps(cell.get("outputs", [])) for cell in notebook.cells]))
"""


class Binder:
    """A copy of the repository that belongs to a user who may do nothing else."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._before: tuple[str, ...] = ()
        self._user: dict[str, Any] = {}
        for name in _TAKEN:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, folder / name)
        if os.getuid() != 0:
            return
        if not _others_may_run(Path(sys.executable).resolve()):
            # Who runs the tests keeps the interpreter for himself: a namespace of users, in which
            # he is nobody and may do nothing as root.
            self._before = ("unshare", "--user", "--map-user=65534", "--map-group=65534", "--")
            return
        nobody = pwd.getpwnam("nobody")
        self._user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        for path in (folder, *folder.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid)
        let_others_in(folder)

    def run(self, *words: str) -> str:
        """Run a program as that user; give what it wrote."""
        kept = ("PIP_", "SSL_", "REQUESTS_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
        environment = {
            # How this machine reaches a package index.
            **{name: value for name, value in os.environ.items() if name.upper().startswith(kept)},
            # Jupyter itself is Binder's own, and here the tests'.
            "PATH": f"{self.folder}/env/bin:{sys.prefix}/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "JUPYTER_PLATFORM_DIRS": "1",
        }
        ran = subprocess.run(
            (*self._before, *words),
            cwd=self.folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            check=False,
            **self._user,
        )
        assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
        return str(ran.stdout)


def _others_may_run(program: Path) -> bool:
    return all(path.stat().st_mode & 0o001 for path in (program, *program.parents))


@pytest.fixture(scope="module")
def binder(tmp_path_factory: pytest.TempPathFactory) -> Binder:
    """Do what Binder does, but for the packages that are here: they are not fetched again."""
    made = Binder(tmp_path_factory.mktemp("binder"))
    made.run(sys.executable, "-m", "venv", "env")
    own = made.run("env/bin/python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))")
    here = sysconfig.get_path("purelib")
    (Path(own.strip()) / "here.pth").write_text(f"{here}\n")
    made.run("env/bin/pip", "install", "-q", "-r", "binder/requirements.txt")
    made.run("binder/postBuild")
    return made


def test_the_notebook_for_binder_runs_there(binder: Binder) -> None:
    program = ("env/bin/python", "-c", _PROGRAM, "notebooks/without_docker.ipynb")
    outputs = "\n".join(json.loads(binder.run(*program).splitlines()[-1]))
    assert "FAIL  engine" in outputs
    assert "# syntax=v1" in outputs
    assert "frozen = ImageSpec(" in outputs
    assert "%envd replay recordings/trainer.jsonl.gz" in outputs
    assert "Built: trainer:" in outputs
    assert "(a recording of " in outputs


def test_nobody_is_root_there(binder: Binder) -> None:
    assert binder.run("id", "-u").strip() != "0"


def test_the_command_line_is_there(binder: Binder) -> None:
    assert binder.run("env/bin/envd-magic", "check", "notebooks/quickstart.ipynb") == ""
    assert "ImageSpec(" in binder.run("env/bin/envd-magic", "freeze", "notebooks/quickstart.ipynb")


def test_nothing_of_it_needs_root_or_docker() -> None:
    text = "".join(path.read_text() for path in (ROOT / "binder").iterdir())
    assert "sudo" not in text
    assert "apt" not in text
    assert sorted(path.name for path in (ROOT / "binder").iterdir()) == [
        "postBuild",
        "requirements.txt",
        "runtime.txt",
    ]

"""The program that tells what is in an image, run here by this Python."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from envd_magic.verification.inside import probe_source

# Begins to load when it is first used, not when it is imported.
_LAZY = """
import importlib.util, sys
spec = importlib.util.find_spec("broken")
loader = importlib.util.LazyLoader(spec.loader)
spec.loader = loader
sys.modules["broken"] = module = importlib.util.module_from_spec(spec)
loader.exec_module(module)
"""


def told(folder: Path, *modules: str) -> dict[str, list[str]]:
    """Give what comes of imports where a folder's modules are."""
    asked = {"modules": modules, "packages": [], "apt": [], "files": {}}
    words = base64.b64encode(zlib.compress(json.dumps(asked).encode())).decode()
    run = [sys.executable, "-c", probe_source(), "20", "60", "0", words]
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(run, env=environment, stdout=subprocess.PIPE, check=True)
    found: dict[str, list[str]] = json.loads(done.stdout.partition(b":0:")[2])["imports"]
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "broken.py").write_text("raise ValueError('broken')\n")
    (tmp_path / "ends.py").write_text("import os; os._exit(0)\n")
    for number in range(20):
        (tmp_path / f"inner{number}.py").write_text("value = 1\n")
    lines = [f"import inner{number}\n" for number in range(20)]
    (tmp_path / "outer.py").write_text("".join(lines))
    return tmp_path


def test_what_is_imported_on_the_way_counts(folder: Path) -> None:
    inner = [f"inner{number}" for number in range(20)]
    found = told(folder, "outer", *inner, "broken", "ends")
    assert {found[name][0] for name in ("outer", *inner)} <= {"ok", "with"}
    assert found["broken"] == ["failed", "ValueError,Exception,BaseException,object - broken"]
    assert found["ends"][0] == "died"


def test_what_only_begins_to_load_on_the_way_is_imported_by_itself(folder: Path) -> None:
    (folder / "lazy.py").write_text(_LAZY)
    inner = [f"inner{number}" for number in range(20)]
    assert told(folder, "lazy", *inner, "broken")["broken"][0] == "failed"

"""Run inside the build by the base image's Python: install what is asked, leave nothing else."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Callable

from envd_magic.recipe.installer.options import (
    Environment,
    NotForUvError,
    argument_settings,
    indexes,
    pip_settings,
    without_logins,
)
from envd_magic.recipe.installer.uv import with_uv


def say(text: str) -> None:
    """Write a line that the build tells as a note."""
    print("envd_magic: " + text, flush=True)


def with_pip(asked: dict[str, Any], environment: Environment) -> None:
    """Install with pip."""
    run = [sys.executable, "-m", "pip", "install", "--no-cache-dir", "--no-input"]
    for words in asked["installs"]:
        arguments = asked.get("arguments", [])
        code = subprocess.call([*run, *arguments, *words.split()], env=environment)
        if code:
            sys.exit(code)


def lend(source: str, target: Path, work: Path) -> Callable[[], None]:
    """Put a secret file in its place; give what takes it away again, without a trace."""
    made = [folder for folder in target.parents if not folder.is_dir()]
    target.parent.mkdir(parents=True, exist_ok=True)
    kept = work / f"kept-{len(list(work.iterdir()))}"
    if os.path.lexists(target):
        shutil.move(str(target), str(kept))
    shutil.copyfile(source, str(target))
    target.chmod(0o600)

    def take_back() -> None:
        target.unlink()
        if os.path.lexists(kept):
            shutil.move(str(kept), str(target))
        for folder in made:
            if not any(folder.iterdir()):
                folder.rmdir()

    return take_back


def install(asked: dict[str, Any], work: Path) -> None:
    """Install what is asked, with uv or with pip."""
    for name, text in asked["files"].items():
        (work / name).write_text(text, encoding="utf-8")
    os.chdir(str(work))
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    environment = {
        **os.environ,
        "TMPDIR": str(work),
        "PIP_ROOT_USER_ACTION": "ignore",
        "PIP_BREAK_SYSTEM_PACKAGES": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    if sys.prefix == sys.base_prefix:
        # What is editable has to stay; pip's own choice is the folder that it runs in.
        environment.setdefault("PIP_SRC", "/usr/local/src")
    settings = pip_settings() + argument_settings(asked.get("arguments", []))
    first, further = indexes(settings, asked)
    # By the environment, since arguments can be read in the list of processes.
    asked["arguments"], hidden = without_logins(asked.get("arguments", []), settings)
    environment.update(hidden)
    if asked.get("index"):
        environment["PIP_INDEX_URL"] = first
    if asked.get("extra_index"):
        environment["PIP_EXTRA_INDEX_URL"] = " ".join(further)
    try:
        with_uv(work, asked, environment, settings)
    except NotForUvError as reason:
        if not asked.get("pip_because"):
            say(f"pip installs, since {reason}")
        with_pip(asked, environment)


def main() -> None:
    """Read the question from the file that is named, and do what it asks."""
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    work = Path(tempfile.mkdtemp())
    undo: list[Callable[[], None]] = []
    # uv leaves it in a virtual environment.
    lock = Path(sys.prefix, ".lock")
    locked = lock.exists()
    try:
        for source, target in asked.get("secrets", []):
            undo.append(lend(source, Path(target), work))
        install(asked, work)
    finally:
        for take_back in reversed(undo):
            take_back()
        if lock.exists() and not locked:
            lock.unlink()
        shutil.rmtree(str(work), ignore_errors=True)


if __name__ == "__main__":
    main()

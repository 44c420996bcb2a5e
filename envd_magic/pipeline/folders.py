"""Folders that envd builds in, and those that killed processes have left."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.owner import is_abandoned, private_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.recipe.model import Recipe

_PREFIX = "envd_magic-build-"


@contextmanager
def build_folder(recipe: Recipe) -> Iterator[Path]:
    """Write a recipe into a private folder that is gone at the end."""
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{private_name()}-") as parent:
        yield recipe.write(Path(parent)).parent


def write_recipe(recipe: Recipe) -> Path:
    """Write a recipe into a private folder that stays, and give the path of its build.envd."""
    parent = Path(tempfile.mkdtemp(prefix="envd_magic-"))
    try:
        return recipe.write(parent)
    except BaseException:
        shutil.rmtree(parent)
        raise


def sweep() -> None:
    """Delete the build folders of processes that are no more: they may hold credentials."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        # Anybody may write there: only what is ours, and no link of somebody's.
        if is_abandoned(path.name) and _is_own_folder(path):
            _delete(path)


def _is_own_folder(path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _delete(folder: Path) -> None:
    """Delete a folder; what cannot be deleted is tried again by a later build."""
    for path, folders, _ in os.walk(folder):
        for name in folders:
            # Copied folders may forbid writing. No link is followed.
            if not (inner := Path(path, name)).is_symlink():
                with suppress(OSError):
                    inner.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)

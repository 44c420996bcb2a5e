"""Folders that envd builds in, and those that killed processes have left."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError, SpecError
from envd_magic.owner import is_abandoned, private_name
from envd_magic.recipe.files import FIELD_OF
from envd_magic.recipe.model import FOLDER
from envd_magic.spec.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

    from envd_magic.recipe.model import FileEntry, Recipe

# What is wrong with the place that is written to, and not with the file that is copied.
_OUR_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
_PREFIX = "envd_magic-build-"
_WITH_FILES, _WITHOUT = "files", "no-files"


class BuildFolder:
    """A private folder that envd builds in, and that is gone when it is closed."""

    def __init__(self) -> None:
        self._parent: tempfile.TemporaryDirectory[str] | None = None

    @property
    def parent(self) -> Path:
        """The folder around it, where no build sees what lies there."""
        if self._parent is None:
            self._parent = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{private_name()}-")
        return Path(self._parent.name)

    def keep(self, files: Mapping[str, FileEntry]) -> dict[str, FileEntry]:
        """Copy files to where the build has them, and give the entries of the copies.

        Raises
        ------
        SpecError
            If one cannot be read, or is there no more.
        """
        kept = {}
        for name, entry in sorted(files.items()):
            place = self.parent / _WITH_FILES / FOLDER / name
            try:
                entry.place(place)
            except OSError as error:
                if error.errno in _OUR_DISK:
                    raise _unwritten(self.parent, error) from error
                field = FIELD_OF[name.partition("/")[0]]
                why = f"cannot be copied: {error.strerror or error}"
                raise SpecError(Problem(field, why, str(entry.source or name))) from error
            kept[name] = entry if entry.source is None else replace(entry, source=place)
        return kept

    def write(self, recipe: Recipe) -> Path:
        """Write a recipe, over what an earlier one of the same spec has left; give the folder.

        One without files of the user's has a folder of its own: envd sends all that is in it.
        """
        has_files = any(name.partition("/")[0] in FIELD_OF for name in recipe.files)
        around = self.parent / (_WITH_FILES if has_files else _WITHOUT)
        try:
            around.mkdir(mode=0o700, exist_ok=True)
            return recipe.write(around).parent
        except OSError as error:
            raise _unwritten(around, error) from error

    def close(self) -> None:
        """Delete it."""
        if self._parent is not None:
            self._parent.cleanup()
            self._parent = None


def _unwritten(folder: Path, error: OSError) -> EnvdMagicError:
    why = error.strerror or error
    return EnvdMagicError(
        f"The build folder {folder} cannot be written: {why}. TMPDIR can name another place"
    )


def write_recipe(recipe: Recipe) -> Path:
    """Write a recipe into a private folder that stays, and give the path of its build.envd."""
    parent = Path(tempfile.mkdtemp(prefix="envd_magic-"))
    try:
        return recipe.write(parent)
    except BaseException:
        shutil.rmtree(parent)
        raise


def sweep() -> bool:
    """Delete the folders of processes that are no more: those of builds may hold credentials.

    Returns
    -------
    bool
        Was there one? Then a process has died in a build.
    """
    gone, temporary = False, tempfile.gettempdir()
    try:
        # Thousands may lie there.
        names = os.listdir(temporary)  # noqa: PTH208
    except PermissionError:
        # Files can be made there all the same; only whose they are cannot be seen.
        return False
    for name in names:
        if not (name.startswith("envd_magic-") and is_abandoned(name)):
            continue
        # Anybody may write there: only what is ours, and no link of somebody's.
        if _is_own_folder(path := Path(temporary, name)):
            _delete(path)
            gone = gone or not path.exists()
    return gone


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

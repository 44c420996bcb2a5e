"""The files of a spec, as entries of the build folder.

What goes to /root of the image lies in a folder named ``root``, which one ``io.copy`` lays over
the image's: names with spaces, brackets or letters of any script then never reach Starlark or a
pattern.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NoReturn

from envd_magic.errors import SpecError
from envd_magic.recipe.model import FileEntry
from envd_magic.spec.reading import is_real
from envd_magic.spec.tag import copies_source, source_filter, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

COPY = "copy"
SOURCE = "source"
#: The field that each folder's files come from.
FIELD_OF = {SOURCE: "source_root", COPY: "copy"}
_ROOT = "root"
# Folders that link to each other from outside have no end.
_DEEPEST = 64
_NO_FILE = "is no file, folder or link and is left out"
# The folder's own mode counts only where the base image has no /root.
_ROOT_ENTRY = FileEntry(mode=0o700)


def copied(spec: ImageSpec, warnings: list[str]) -> dict[str, FileEntry]:
    """Entries for the field `copy`: each item at the same place below /root."""
    entries: dict[str, FileEntry] = {}
    for item in spec.copy or []:
        path = Path(item)
        target = PurePosixPath(COPY, _ROOT, *path.parts)
        found = dict(_tree(path, target, warnings))
        if not any(entry.source or entry.link for entry in found.values()):
            warnings.append(f"copy: there are no files to copy in {item!r}")
        entries.update(found)
    if entries:
        entries[f"{COPY}/{_ROOT}"] = _ROOT_ENTRY
    return entries


def sources(spec: ImageSpec, warnings: list[str]) -> dict[str, FileEntry]:
    """Entries for `source_root`: the files that flytekit's rules choose, at /root."""
    if not copies_source(spec):
        return {}
    from flytekit.tools.script_mode import ls_files

    mode = spec.source_copy_mode
    # flytekit finds nothing below "." or a path that ends in a slash.
    root = Path(spec.source_root).resolve()
    left_out: list[str] = []
    ignore = source_filter(root, left_out)
    entries: dict[str, FileEntry] = {}
    # Modules are known by the path that they were imported by, which may be a link's.
    for top in dict.fromkeys((str(root), os.path.abspath(spec.source_root))):  # noqa: PTH100
        for file in ls_files(top, mode, deref_symlinks=False, ignore_group=ignore)[0]:
            name = PurePosixPath(SOURCE, _ROOT, *Path(os.path.relpath(file, top)).parts)
            entries[str(name)] = FileEntry(source=Path(file))
    warnings += [f"source_root: {path!r} {_NO_FILE}" for path in dict.fromkeys(left_out)]
    if mode.name == "ALL":
        # flytekit passes them by.
        closed = (path for path in _closed(root) if not ignore.is_ignored(path))
        warnings += [f"source_root: {path!r} cannot be read and is left out" for path in closed]
    if entries:
        entries[f"{SOURCE}/{_ROOT}"] = _ROOT_ENTRY
    else:
        how = "imported modules" if mode.name == "LOADED_MODULES" else "files"
        warnings.append(f"source_root: there are no {how} to copy below {root}")
    return entries


def _closed(root: Path) -> list[str]:
    """Find the folders that cannot be read."""
    found: list[str] = []
    for _ in os.walk(root, onerror=lambda error: found.append(str(error.filename))):
        pass
    return found


def _tree(
    path: Path, target: PurePosixPath, warnings: list[str]
) -> Iterator[tuple[str, FileEntry]]:
    """One file, or a folder with all that is in it; links are kept if they stay inside."""
    if not path.is_dir():
        # Wherever the process works when it is copied.
        yield str(target), FileEntry(source=path.absolute())
        return
    top = path.resolve()
    for folder, folders, files in os.walk(path, onerror=_refuse):
        here = target / Path(folder).relative_to(path).as_posix()
        yield str(here), FileEntry(mode=stat.S_IMODE(Path(folder).stat().st_mode))
        for name in sorted([*files, *(f for f in folders if Path(folder, f).is_symlink())]):
            inner = Path(folder, name)
            yield from _entry(inner, here / name, top, warnings)


def _refuse(error: OSError) -> NoReturn:
    raise SpecError(unreadable(COPY, error)) from error


def _entry(
    path: Path, target: PurePosixPath, top: Path, warnings: list[str]
) -> Iterator[tuple[str, FileEntry]]:
    if path.is_symlink():
        link = os.readlink(path)  # noqa: PTH115 - Path.readlink would normalise it
        end = Path(os.path.realpath(path))  # where Path.resolve would raise for a loop
        if not os.path.isabs(link) and end.is_relative_to(top):  # noqa: PTH117
            yield str(target), FileEntry(link=link)
            return
        if not path.exists():
            warnings.append(f"copy: {str(path)!r} is a link to nothing and is left out")
            return
        if path.is_dir():
            if top.is_relative_to(end) or len(target.parts) > _DEEPEST:
                warnings.append(f"copy: {str(path)!r} links to a folder around it and is left out")
                return
            yield from _tree(end, target, warnings)
            return
    if not is_real(path.stat()):
        warnings.append(f"copy: {str(path)!r} {_NO_FILE}")
        return
    yield str(target), FileEntry(source=path.absolute())

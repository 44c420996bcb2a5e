"""Copied files: what is on this machine against what is in the image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from envd_magic.recipe.files import FIELD_OF
from envd_magic.verification.inside.system import hash_of
from envd_magic.verification.result import DIFFERS, OK, UNCHECKED, Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flytekit import ImageSpec

    from envd_magic.recipe.model import FileEntry
    from envd_magic.verification.asking import Answer

_ROOT = PurePosixPath("/root")
_AFTER = "the commands run after the copies"


@dataclass(frozen=True)
class Target:
    """A file, a link or a folder that is to be in the image.

    Parameters
    ----------
    field
        "copy" or "source_root".
    entry
        What it was copied from.
    """

    field: str
    entry: FileEntry

    @property
    def size(self) -> int:
        """Bytes of a file, -1 of all else."""
        return self.entry.source.stat().st_size if self.entry.source is not None else -1

    @property
    def mode(self) -> int:
        """Who may read, write and execute it."""
        source = self.entry.source
        return source.stat().st_mode & 0o777 if source is not None else self.entry.mode


def targets(files: Mapping[str, FileEntry]) -> dict[str, Target]:
    """Give the paths in the image of what a build copies; what is copied last counts."""
    found: dict[str, Target] = {}
    for folder, field in FIELD_OF.items():
        for name, entry in files.items():
            top, _, path = name.partition("/")
            # The folder /root itself: its mode counts only where the base image has none.
            if top == folder and f"/{path}" != str(_ROOT):
                found[f"/{path}"] = Target(field, entry)
    return found


def file_items(spec: ImageSpec, targets: Mapping[str, Target], answer: Answer) -> Iterator[Item]:
    """Compare them: a line for each item of the spec where all is well, else for each file."""
    good: dict[tuple[str, str], list[Target]] = {}
    after = _AFTER if spec.commands else ""
    for path, target in sorted(targets.items()):
        asked, found = _compared(target, answer.files.get(path, {"kind": "unreadable"}))
        if not found:
            good.setdefault((target.field, _item(spec, target.field, path)), []).append(target)
        elif found == UNCHECKED:
            why = str(answer.files.get(path, {}).get("why") or "it could not be read")
            yield Item(target.field, path, asked, "", UNCHECKED, why)
        else:
            yield Item(target.field, path, asked, found, DIFFERS, after)
    for (field, item), same in good.items():
        count = sum(target.entry.source is not None for target in same)
        what = f"{count} file{'' if count == 1 else 's'}" if count else "there"
        yield Item(field, item, "as it is here", f"the same ({what})", OK)


def _item(spec: ImageSpec, field: str, path: str) -> str:
    """Give the item of the spec that a path comes from."""
    if field != "copy":
        return str(spec.source_root)
    inside = PurePosixPath(path).relative_to(_ROOT)
    items = [item for item in spec.copy or () if inside.is_relative_to(PurePosixPath(item))]
    return max(items, key=len, default=path)


def _compared(target: Target, found: Mapping[str, Any]) -> tuple[str, str]:
    """Give what is asked of a path, and what is there instead: "" if it is as asked."""
    entry, kind = target.entry, found["kind"]
    if entry.link is not None:
        asked = f"a link to {entry.link}"
        same = kind == "link" and found["to"] == entry.link
    elif entry.is_folder:
        asked = f"a folder, mode {target.mode:o}"
        same = kind == "folder" and found["mode"] & 0o777 == target.mode
    else:
        asked = f"a file of {target.size} bytes, mode {target.mode:o}"
        same = kind == "file" and found["mode"] & 0o777 == target.mode and _is_same(target, found)
    if same:
        return asked, ""
    return asked, UNCHECKED if kind == "unreadable" else _words(target, found)


def _is_same(target: Target, found: Mapping[str, Any]) -> bool:
    source = target.entry.source
    if source is None or found["size"] != target.size:
        return False
    return bool(hash_of(str(source)) == found["hash"])


def _words(target: Target, found: Mapping[str, Any]) -> str:
    kind = found["kind"]
    if kind == "none":
        return "nothing is there"
    if kind == "link":
        return f"a link to {found['to']}"
    if kind == "folder":
        return f"a folder, mode {found['mode'] & 0o777:o}"
    if kind == "other":
        return "neither a file nor a folder"
    told = f"a file of {found['size']} bytes, mode {found['mode'] & 0o777:o}"
    other = found["size"] == target.size and not _is_same(target, found)
    return f"{told}, with other content" if other else told

"""The tag of a spec, also where flytekit's own way to it would wait for ever.

flytekit hashes everything below the folders of `copy` and `source_root`; a named pipe among it is
opened, and read until somebody writes into it. What is no file is no part of an image, so here it
is no part of the tag either. Without such a thing the tag is flytekit's own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envd_magic.errors import SpecError
from envd_magic.spec.problems import Problem
from envd_magic.spec.reading import is_real, read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flytekit import ImageSpec
    from flytekit.tools.ignore import IgnoreGroup


def image_name(spec: ImageSpec) -> str:
    """Give the full name of a spec's image.

    A tag that flytekit would not come to is kept in the spec, as flytekit keeps its own.

    Raises
    ------
    SpecError
        If a file cannot be read, or has a name that flytekit cannot hash.
    """
    one: Any = spec
    specs = []
    while hasattr(one, "image_name"):
        specs.append(one)
        one = one.base_image
    for each in reversed(specs):
        if "tag" not in each.__dict__ and _has_other_than_files(each):
            each.__dict__["tag"] = _tag(each)
    try:
        return str(spec.image_name())
    except UnicodeEncodeError as error:
        found = [problem for each in specs for problem in _misnamed(each)]
        raise SpecError(*found) from error
    except OSError as error:
        path = str(error.filename)
        field = next((own for each in specs if (own := _field_of(each, path))), "")
        raise SpecError(unreadable(field, error)) from error


def unreadable(field: str, error: OSError) -> Problem:
    """Say that a file, or a folder, of a field cannot be read."""
    where = None if error.filename is None else str(error.filename)
    return Problem(field, f"cannot be read: {error.strerror or error}", where)


def is_other_than_file(path: str | Path) -> bool:
    """Is it there, and neither a file nor a folder: a named pipe, a socket, a device?"""
    try:
        found = os.stat(path)  # noqa: PTH116 - of many paths, as text
    except OSError:
        return False
    return not (is_real(found) or stat.S_ISDIR(found.st_mode))


def _is_part(path: str) -> bool:
    return Path(path).is_file() and not is_other_than_file(path)


def source_filter(root: Path, left_out: list[str] | None = None) -> IgnoreGroup:
    """Give what leaves files of a `source_root` out: flytekit's rules, and what is no file.

    Parameters
    ----------
    root
        The folder, resolved.
    left_out
        Gets what is left out for being no file.
    """
    # Costs a second with flytekit; a spec is there, so flytekit is too.
    from flytekit.tools.ignore import DockerIgnore, GitIgnore, Ignore, IgnoreGroup, StandardIgnore

    class NoFile(Ignore):  # type: ignore[misc]
        def _is_ignored(self, path: str) -> bool:
            no_file = is_other_than_file(Path(self.root, path))
            if no_file and left_out is not None:
                left_out.append(str(Path(self.root, path)))
            return no_file

    return IgnoreGroup(str(root), [GitIgnore, DockerIgnore, StandardIgnore, NoFile])


def copies_source(spec: ImageSpec) -> bool:
    """Does the spec ask for files of its `source_root`?"""
    mode = getattr(spec.source_copy_mode, "name", None)
    return mode not in (None, "NO_COPY") and bool(spec.source_root)


def _misnamed(spec: ImageSpec) -> Iterator[Problem]:
    """Find the files whose names are no text, which is why there is no tag."""
    for path in _below(_tops(spec)):
        shown = path.encode("utf-8", "replace").decode()
        if shown != path:
            yield Problem(
                _field_of(spec, path), "has a name that is no UTF-8; rename the file", shown
            )


def _field_of(spec: ImageSpec, path: str) -> str:
    """Give the field that a file is of, "" if it is of none."""
    if path == str(spec.requirements):
        return "requirements"
    if any(map(path.startswith, spec.copy or ())):
        return "copy"
    return "source_root" if copies_source(spec) else ""


def _has_other_than_files(spec: ImageSpec) -> bool:
    return any(is_other_than_file(path) for path in _below(_tops(spec)))


def _tops(spec: ImageSpec) -> list[str]:
    """Give the files and folders that go into the tag."""
    tops = [item for item in spec.copy or () if isinstance(item, str)]
    if copies_source(spec) and isinstance(spec.source_root, (str, Path)):
        tops.append(str(spec.source_root))
    return tops


def _below(tops: Iterable[str]) -> Iterator[str]:
    for top in tops:
        yield top
        for folder, _, files in os.walk(top):
            yield from (os.path.join(folder, name) for name in files)  # noqa: PTH118 - fast


def _tag(spec: ImageSpec) -> str:
    """Do as flytekit does, with what is no file left out."""
    from flytekit.tools.fast_registration import compute_digest
    from flytekit.tools.script_mode import ls_files

    changes: dict[str, Any] = {"registry_config": None}
    if hasattr(spec.base_image, "image_name"):
        changes["base_image"] = spec.base_image.image_name()
    if copies_source(spec):
        root = Path(spec.source_root).resolve()
        _, digest = ls_files(str(root), spec.source_copy_mode, ignore_group=source_filter(root))
        changes["source_root"] = digest
    if spec.copy:
        files = sorted(path for path in _below(spec.copy) if _is_part(path))
        changes["copy"] = compute_digest(files)
    if spec.requirements:
        content = read_file(spec.requirements).strip()
        changes["requirements"] = hashlib.sha1(content, usedforsecurity=False).hexdigest()
    tag = dataclasses.replace(spec, **changes).id.replace("-", "_")
    return str(spec.tag_format.format(spec_hash=tag)) if spec.tag_format else str(tag)

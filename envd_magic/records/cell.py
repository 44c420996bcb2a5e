"""What a notebook's cell remembers of its last build, in its metadata."""

from __future__ import annotations

import dataclasses
import hashlib
import time
from typing import TYPE_CHECKING, Any

from envd_magic.errors import FileError
from envd_magic.records.files import set_member, write_whole
from envd_magic.records.notebook import parse_notebook
from envd_magic.spec.source import format_spec
from envd_magic.spec.tag import image_name

if TYPE_CHECKING:
    from pathlib import Path

    from flytekit import ImageSpec

    from envd_magic.pipeline.result import BuildResult

#: Name of the record in a cell's metadata.
KEY = "envd_magic"


def make_record(spec: ImageSpec, result: BuildResult, envd: str) -> dict[str, Any]:
    """Give the record of a build.

    Parameters
    ----------
    spec
        What was built.
    result
        What came of it.
    envd
        Version of envd.
    """
    return {
        "digest": result.digest,
        "envd": envd,
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "image": result.image,
        "seconds": round(result.seconds, 1),
        "spec_hash": spec_hash(spec),
        "status": result.status,
    }


def spec_hash(spec: ImageSpec) -> str:
    """Give a hash of what a spec says; secrets are no part of it, nor is the registry."""
    said = format_spec(dataclasses.replace(spec, registry=None))
    return f"sha256:{hashlib.sha256(said.encode()).hexdigest()}"


def drift(record: object, specs: list[ImageSpec]) -> str:
    """Say how what a cell makes differs from what was built; "" if it does not."""
    records = record if isinstance(record, list) else [record]
    if not all(_is_record(one) for one in records):
        return f"the metadata {KEY!r} is no record of a build"
    if len(records) != len(specs):
        return f"{len(records)} images were built, and the cell makes {len(specs)} now"
    for one, spec in zip(records, specs, strict=True):
        if one["status"] not in ("built", "exists"):
            return f"the last build of {one['image']} has {one['status']} ({one['finished']})"
        if one["spec_hash"] != spec_hash(spec):
            return f"the cell has changed since {one['image']} was built ({one['finished']})"
        # Whatever registry it was built for.
        name = one["image"].rpartition(":")[0]
        registry = name.rpartition("/")[0] or None
        if one["image"] != image_name(dataclasses.replace(spec, registry=registry)):
            return (
                f"files that the spec names have changed since {one['image']} was built "
                f"({one['finished']})"
            )
    return ""


def _is_record(value: object) -> bool:
    names = ("image", "spec_hash", "status", "finished")
    return isinstance(value, dict) and all(isinstance(value.get(name), str) for name in names)


def says_the_same(old: object, new: dict[str, Any]) -> bool:
    """Does a new record tell nothing that the old one does not: the image was there already?"""
    same = ("digest", "image", "spec_hash")
    return (
        new["status"] == "exists"
        and isinstance(old, dict)
        and old.get("status") in ("built", "exists")
        and all(old.get(name) == new[name] for name in same)
    )


def write_record(path: Path, cell: tuple[int, str, str], record: object) -> bool:
    """Write a record into a notebook, and change nothing else in the file.

    Parameters
    ----------
    path
        The notebook, which is read anew: somebody may have saved it meanwhile.
    cell
        The cell's number, its id and its source, as it was built.
    record
        One, or a list where the cell makes several images.

    Returns
    -------
    bool
        False if the file says it already.

    Raises
    ------
    FileError
        If the file or the cell is another now, or cannot be written.
    """
    number, own_id, source = cell
    try:
        text = path.read_bytes().decode("utf-8")
        found = [
            one
            for one in parse_notebook(path, text).cells
            if (one.id == own_id if own_id else one.number == number) and one.source == source
        ]
        if len(found) != 1:
            raise FileError(f"{path}: cell {number} has changed while it was built: not recorded")
        old = found[0].metadata.get(KEY)
        news = record if isinstance(record, list) else [record]
        olds = old if isinstance(old, list) else [old]
        if len(news) == len(olds) and all(map(says_the_same, olds, news)):
            return False
        where: list[str | int] = ["cells", found[0].number - 1, "metadata"]
        new = set_member(text, where, KEY, record)
        # What would be no notebook is not written.
        parse_notebook(path, new)
        write_whole(path, new.encode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: the build is not recorded: {error}") from error
    return True

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
    from collections.abc import Iterator, Mapping, Sequence
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


def drift(
    record: object, specs: Sequence[ImageSpec], *, all_known: bool = True
) -> Iterator[tuple[int, str]]:
    """Say how what a cell makes differs from what was built.

    Parameters
    ----------
    record
        What the cell's metadata have: one, or a list of them.
    specs
        What the cell makes.
    all_known
        False if it may make more.

    Yields
    ------
    tuple
        The number of the spec that is meant, 0 where it is none of them, and a sentence.
    """
    records = as_list(record)
    if not records or not all(_is_record(one) for one in records):
        yield 0, f"the metadata {KEY!r} is no record of a build"
        return
    found = paired(records, specs)
    for number, (one, spec) in enumerate(zip(found, specs, strict=True)):
        if one is None:
            yield number, f"{spec.name} has not been built; other images of the cell have"
        elif reason := _difference(one, spec):
            yield number, reason
    if all_known:
        for one in records:
            if not any(one is other for other in found):
                yield 0, f"{one['image']} was built ({one['finished']}), the cell makes it no more"


def _difference(record: Mapping[str, Any], spec: ImageSpec) -> str:
    image = record["image"]
    if record["status"] not in ("built", "exists"):
        return f"the last build of {image} has {record['status']} ({record['finished']})"
    if record["spec_hash"] != spec_hash(spec):
        return f"the cell has changed since {image} was built ({record['finished']})"
    # Whatever registry it was built for.
    registry = image.rpartition(":")[0].removesuffix(str(spec.name)).rstrip("/") or None
    if image != image_name(dataclasses.replace(spec, registry=registry)):
        since = f"{image} was built ({record['finished']})"
        return f"files that the spec names have changed since {since}"
    return ""


def as_list(record: object) -> list[Any]:
    """Give the records of a cell's metadata, which have a single one as it is."""
    return record if isinstance(record, list) else [] if record is None else [record]


def paired(records: Sequence[object], specs: Sequence[ImageSpec]) -> list[Any]:
    """Give the record of each spec: of the same, or else of one of its name; None without one."""
    left = [one for one in records if _is_record(one)]
    found: list[Any] = [None] * len(specs)
    for is_of in (_is_same, _has_its_name):
        for number, spec in enumerate(specs):
            if found[number] is None:
                found[number] = next((one for one in left if is_of(one, spec)), None)
                # By identity: two records may say the same.
                left = [one for one in left if one is not found[number]]
    return found


def _is_same(record: Any, spec: ImageSpec) -> bool:
    return bool(record["spec_hash"] == spec_hash(spec))


def _has_its_name(record: Any, spec: ImageSpec) -> bool:
    return f"/{record['image'].rpartition(':')[0]}".endswith(f"/{spec.name}")


def _is_record(value: Any) -> bool:
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


def _with_what_stays(old: object, new: Any) -> Any:
    """Give what was recorded anew, but the old words where they say the same."""
    olds = as_list(old)
    if not isinstance(new, list):
        return olds[0] if len(olds) == 1 and says_the_same(olds[0], new) else new
    return [next((one for one in olds if says_the_same(one, each)), each) for each in new]


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
        value = _with_what_stays(old, record)
        if value == old:
            return False
        where: list[str | int] = ["cells", found[0].number - 1, "metadata"]
        new = set_member(text, where, KEY, value)
        # What would be no notebook is not written.
        parse_notebook(path, new)
        write_whole(path, new.encode("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path}: the build is not recorded: {error}") from error
    return True

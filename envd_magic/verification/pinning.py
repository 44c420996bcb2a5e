"""What a build resolved, as exact versions: the image itself is asked."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Any

from packaging.utils import canonicalize_name

from envd_magic.errors import CommandError
from envd_magic.recipe.compose import base_name
from envd_magic.spec.requirements import Requirements, read_requirements
from envd_magic.verification.asking import Question, ask
from envd_magic.verification.wanted import put_elsewhere, wanted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flytekit import ImageSpec

    from envd_magic.engine.client import Engine
    from envd_magic.verification.wanted import Wanted

# Lines of a requirements file that say no more than names and versions, and other such files.
_PLAIN = re.compile(r"(-[rc] .+|[^-\s].*)?")


@dataclasses.dataclass(frozen=True)
class Pinned:
    """A spec with exact versions.

    Parameters
    ----------
    spec
        The spec.
    notes
        What is not exact in it, or is not as the user may think.
    """

    spec: ImageSpec
    notes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class _Has:
    """What an image has: the distributions that count, by canonical names, and its Python."""

    records: Mapping[str, Mapping[str, Any]]
    markers: Mapping[str, str]

    def version(self, key: str) -> str | None:
        return self.records[key]["version"] if key in self.records else None


def pinned(spec: ImageSpec, engine: Engine, image: str) -> Pinned:
    """Give a spec with the exact versions that its build resolved, dependencies too.

    Parameters
    ----------
    spec
        What was built.
    engine
        Where its image is.
    image
        Its name or ID.

    Raises
    ------
    CommandError
        If the image cannot tell what was installed.
    SpecError
        If the requirements file cannot be read.
    """
    from envd_magic.engine.images import inspect
    from envd_magic.spec.cell import with_options

    if where := put_elsewhere(spec):
        raise CommandError(where)
    file = read_requirements(spec.requirements) if spec.requirements else Requirements()
    has = _has(engine, image)
    base = base_name(spec)
    is_new = bool(spec.python_version or spec.conda_packages)
    before = None if is_new or inspect(engine, base) is None else _has(engine, base)
    asked = [
        one
        for one in wanted(spec, file)
        if not one.only_if_there and (not one.key or one.applies(has.markers))
    ]
    why = _why_it_stays(file, asked)
    left_out = {one.key for one in asked if one.field == "requirements"} if file.hashed else set()
    kept = [one.text for one in asked if one.field == "packages" and _is_direct(one, has)]
    pins = [pin for key, pin in _pins(asked, has, before) if key not in left_out]
    fresh = with_options(spec, {"packages": [*kept, *sorted(pins, key=str.lower)]})
    if spec.requirements and not why:
        # All that it asked for is among the packages now.
        fresh = dataclasses.replace(fresh, requirements=None)
    return Pinned(fresh, tuple(_notes(spec, why, asked, has, before)))


def _has(engine: Engine, image: str) -> _Has:
    answer = ask(engine, image, Question(), lambda: None)
    if answer.why:
        raise CommandError(f"{image}: what is installed in it is not known: {answer.why}")
    records: dict[str, Mapping[str, Any]] = {}
    for record in answer.distributions:
        # Those that count come first.
        records.setdefault(str(canonicalize_name(record["name"])), record)
    return _Has(records, answer.markers)


def _pins(asked: list[Wanted], has: _Has, before: _Has | None) -> Iterator[tuple[str, str]]:
    """Give the exact requirement of each distribution that the build brought or was asked for."""
    extras: dict[str, set[str]] = {}
    for one in asked:
        if one.requirement is not None:
            extras.setdefault(one.key, set()).update(one.requirement.extras)
    direct = {one.key for one in asked if _is_direct(one, has)}
    for key, record in has.records.items():
        new = before is None or before.version(key) != record["version"]
        if record["direct"] or record["conda"] or key in direct or not (new or key in extras):
            continue
        named = f"[{','.join(sorted(extras[key]))}]" if extras.get(key) else ""
        yield key, f"{record['name']}{named}=={record['version']}"


def _is_direct(one: Wanted, has: _Has) -> bool:
    """Is it one that names its own place: a URL, a version in version control?"""
    record = has.records.get(one.key)
    return one.requirement is None or bool(one.url) or bool(record and record["direct"])


def _why_it_stays(file: Requirements, asked: list[Wanted]) -> str:
    """Say what a requirements file says that exact versions do not, "" if nothing."""
    if file.hashed:
        return "its hashes"
    lines = [line for text in file.files.values() for line in text.splitlines()]
    if other := next((line for line in lines if not _PLAIN.fullmatch(line)), None):
        return other.split()[0]
    named = (one for one in asked if one.field == "requirements" and one.url)
    return next((one.key or "a URL" for one in named), "")


def _notes(
    spec: ImageSpec, why: str, asked: list[Wanted], has: _Has, before: _Has | None
) -> Iterator[str]:
    if why:
        yield f"requirements: the file stays, for {why}"
    if spec.conda_packages:
        yield "conda_packages: what conda installed is not pinned"
    if hasattr(spec.base_image, "base_image"):
        yield "base_image: is a spec of its own; pin it too"
    known = {one.key for one in asked}
    for key, record in has.records.items():
        new = before is None or before.version(key) != record["version"]
        if record["direct"] and new and key not in known:
            yield f"{record['name']} {record['version']} came from no index, and is not pinned"

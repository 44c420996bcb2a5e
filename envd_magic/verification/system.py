"""Debian packages: what was asked for against dpkg's records; pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from envd_magic.verification.result import DIFFERS, OK, UNCHECKED, Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flytekit import ImageSpec

    from envd_magic.verification.asking import Answer

FIELD = "apt_packages"
_ITEM = re.compile(r"(?P<name>[^:=/]+)(:(?P<arch>[^=/]+))?(=(?P<version>.+)|/(?P<release>.+))?")
_INSTALLED = re.compile(r"\S+ ok installed")
_ANY = ("any", "all", "native")
_MOST_TOLD = 3


def names(spec: ImageSpec) -> tuple[str, ...]:
    """Give the names of the packages that a spec asks for."""
    return tuple(found["name"] for item in spec.apt_packages or () if (found := _parts(item)))


def _parts(item: str) -> dict[str, str]:
    match = _ITEM.fullmatch(item)
    return {key: value or "" for key, value in match.groupdict().items()} if match else {}


def apt_items(spec: ImageSpec, answer: Answer) -> Iterator[Item]:
    """Compare them with what dpkg has installed."""
    for item in spec.apt_packages or ():
        parts = _parts(item)
        asked = parts.get("version") or "any version"
        if parts.get("arch"):
            asked += f" for {parts['arch']}"
        found = [one for one in answer.apt if _INSTALLED.fullmatch(one["Status"])]
        here = [one for one in found if one["Package"] == parts.get("name")]
        instead = [one for one in found if parts.get("name") in one["Provides"].split()]
        if not here and instead and not parts.get("version"):
            by = ", ".join(sorted({one["Package"] for one in instead}))
            yield Item(FIELD, item, asked, f"provided by {by}", OK)
        else:
            yield _compared(item, asked, parts, here)


def _compared(
    item: str, asked: str, parts: Mapping[str, str], here: Sequence[Mapping[str, Any]]
) -> Item:
    if not here:
        return Item(FIELD, item, asked, "not installed", DIFFERS)
    arch, version = parts.get("arch"), parts.get("version")
    matching = [
        one for one in here if not arch or arch in _ANY or one["Architecture"] in (arch, "all")
    ]
    told = ", ".join(f"{one['Version']} for {one['Architecture']}" for one in matching or here)
    if not matching or (version and all(one["Version"] != version for one in matching)):
        return Item(FIELD, item, asked, told, DIFFERS, "another version or architecture")
    found = told if arch else matching[0]["Version"]
    if missing := [path for one in matching for path in one["missing"]]:
        shown = ", ".join(missing[:_MOST_TOLD])
        return Item(FIELD, item, asked, f"{found}, without {shown}", DIFFERS, "programs are gone")
    if parts.get("release"):
        why = f"{found} is installed; of which release it is, no record tells"
        return Item(FIELD, item, parts["release"], "", UNCHECKED, why)
    return Item(FIELD, item, asked, found, OK)

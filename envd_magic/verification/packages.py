"""Python packages: what was asked for against what an image has; pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from envd_magic.verification.result import DIFFERS, OK, UNCHECKED, Item
from envd_magic.verification.wanted import Wanted, put_elsewhere, without_dependencies

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from flytekit import ImageSpec

    from envd_magic.verification.asking import Answer

_NONE = "not installed"
_MOST_TOLD = 3


class Installed:
    """The distributions of an image, by their canonical names.

    Parameters
    ----------
    records
        As the probe gives them, those that count first come first.
    markers
        What markers of requirements ask of the image's Python.
    """

    def __init__(self, records: Iterable[Mapping[str, Any]], markers: Mapping[str, str]) -> None:
        self._records: dict[str, list[Mapping[str, Any]]] = {}
        self._markers = dict(markers)
        for record in records:
            self._records.setdefault(str(canonicalize_name(record["name"])), []).append(record)

    def get(self, key: str) -> Mapping[str, Any] | None:
        """Give what counts under a name."""
        return next(iter(self._records.get(key, ())), None)

    def twice(self, key: str) -> list[str]:
        """Give the versions under a name of which nobody can say which one counts."""
        records = self._records.get(key, [])
        same = [one["version"] for one in records if one["place"] == records[0]["place"]]
        return sorted(set(same)) if len(set(same)) > 1 else []

    def at(self, url: str) -> Mapping[str, Any] | None:
        """Give what came from a URL."""
        for records in self._records.values():
            if records[0]["direct"] and _is_from(records[0]["direct"], url):
                return records[0]
        return None

    def lacks(self, record: Mapping[str, Any], extras: Iterable[str]) -> list[str]:
        """Give what a distribution needs and has not, and what that needs, in words."""
        found: dict[str, None] = {}
        seen: set[tuple[str, str]] = set()
        waiting = [(record, extra) for extra in ("", *extras)]
        while waiting:
            one, extra = waiting.pop()
            key = (str(canonicalize_name(one["name"])), extra)
            if key in seen:
                continue
            seen.add(key)
            for need in self._needs(one, extra):
                other = self.get(str(canonicalize_name(need.name)))
                if other is None:
                    found[f"{need}, which is not installed"] = None
                    continue
                if not _is_in(other["version"], need):
                    found[f"{need}, and {need.name} is {other['version']}"] = None
                waiting += [(other, name) for name in ("", *need.extras)]
        return list(found)

    def _needs(self, record: Mapping[str, Any], extra: str) -> Iterator[Requirement]:
        for line in record["requires"]:
            try:
                need = Requirement(line)
            except InvalidRequirement:
                continue
            marker = need.marker
            need.marker = None
            if marker is None:
                always = now = True
            else:
                always = marker.evaluate({**self._markers, "extra": ""})
                now = marker.evaluate({**self._markers, "extra": extra})
            # What is needed without an extra is told once.
            if now and not (extra and always):
                yield need


def package_items(spec: ImageSpec, wanted: Sequence[Wanted], answer: Answer) -> Iterator[Item]:
    """Compare requirements with what is installed."""
    installed = Installed(answer.distributions, answer.markers)
    elsewhere = put_elsewhere(spec)
    alone = without_dependencies(spec)
    for one in wanted:
        asked = _asked(one)
        if elsewhere or (answer.why and answer.has_python):
            yield Item(one.field, one.text, asked, "", UNCHECKED, elsewhere or answer.why)
        elif answer.why:
            yield Item(one.field, one.text, asked, answer.why, DIFFERS)
        elif (item := _compared(one, asked, installed, answer, alone=alone)) is not None:
            yield item


def _asked(one: Wanted) -> str:
    if one.url:
        return f"from {one.url}"
    versions = str(one.requirement.specifier) if one.requirement is not None else ""
    return versions or "any version"


def _compared(
    one: Wanted, asked: str, installed: Installed, answer: Answer, *, alone: bool
) -> Item | None:
    if not one.applies(answer.markers):
        version = answer.markers.get("python_version", "")
        found = f"left out: its marker is not for this image's Python {version}"
        return None if one.only_if_there else Item(one.field, one.text, asked, found, OK)
    record = installed.get(one.key) if one.key else installed.at(one.url)
    if record is None:
        if one.only_if_there:
            return None
        if not one.key and not one.url.endswith(".whl"):
            # A build backend may have chosen any name; what it noted of its source is gone too.
            return Item(one.field, one.text, asked, "nothing that came from there", DIFFERS)
        return Item(one.field, one.text, asked, _NONE, DIFFERS)
    found, wrong = record["version"], ""
    if twice := installed.twice(str(canonicalize_name(record["name"]))):
        found, wrong = " and ".join(twice), "two versions are recorded, in the same folder"
    elif one.requirement is not None and not _is_in(record["version"], one.requirement):
        wrong = "another version"
    elif one.url and not (record["direct"] and _is_from(record["direct"], one.url)):
        wrong = _source(record)
    elif not alone and not one.only_if_there:
        extras = one.requirement.extras if one.requirement is not None else ()
        wrong = _told(installed.lacks(record, extras))
    return Item(one.field, one.text, asked, found, DIFFERS if wrong else OK, wrong)


def _told(lacks: list[str]) -> str:
    if not lacks:
        return ""
    more = f", and {len(lacks) - _MOST_TOLD} more" if len(lacks) > _MOST_TOLD else ""
    return f"it needs {'; '.join(lacks[:_MOST_TOLD])}{more}"


def _is_in(version: str, asked: Requirement) -> bool:
    """Is a version one of those that are asked for? What is installed may be a prerelease."""
    try:
        return asked.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        # Of an old kind: only `===` can ask for it.
        return not asked.specifier or str(asked.specifier) == f"==={version}"


def _source(record: Mapping[str, Any]) -> str:
    """Say where a distribution came from, that is to have come from somewhere else."""
    try:
        url = json.loads(record["direct"] or "{}").get("url")
    except (ValueError, AttributeError):
        url = None
    return f"it came from {url}" if url else "it came from an index"


def _is_from(direct: str, url: str) -> bool:
    """Does a record of an installation tell of this URL?

    https://packaging.python.org/en/latest/specifications/direct-url/
    """
    try:
        told = json.loads(direct)
        source, vcs = str(told["url"]), told.get("vcs_info") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return False
    asked, revision = _bare(url, split=bool(vcs))
    if _bare(source, split=False)[0] != asked:
        return False
    if not revision:
        return True
    known = [str(vcs.get("requested_revision") or ""), str(vcs.get("commit_id") or "")]
    return revision == known[0] or bool(known[1] and known[1].startswith(revision))


def _bare(url: str, *, split: bool) -> tuple[str, str]:
    """Give a URL without what says how it is fetched: tool, login, fragment; and its revision."""
    bare = re.sub(r"^(git|hg|svn|bzr)\+", "", url.partition("#")[0])
    bare = re.sub(r"://[^/@]*@", "://", bare)
    revision = ""
    head, at, tail = bare.rpartition("@")
    if split and at and "://" in head:
        bare, revision = head, tail
    return bare.rstrip("/"), revision

"""The distributions that a spec asks for, one for each requirement; pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from envd_magic.recipe.installer.options import argument_settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flytekit import ImageSpec

    from envd_magic.spec.requirements import Requirements

# Options of a requirements file that name another one, as it is read into a value.
_NESTED = re.compile(r"(-r|-c) (.+)")
_EDITABLE = re.compile(r"(?:--editable(?:\s+|=)|-e\s*)(.+)")
_OPTIONS = re.compile(r"\s--[a-z\-]+[=\s].*")
_EGG = re.compile(r"[#&]egg=([A-Za-z0-9._\-]+)")
_WHEEL = re.compile(r"/([A-Za-z0-9_.]+)-[^/-]+(-\d[^/-]*)?-[^/-]+-[^/-]+-[^/-]+\.whl")
# Settings of pip with which a package lands where Python does not look, or nowhere.
_ELSEWHERE = ("target", "prefix", "root", "dry-run")


@dataclass(frozen=True)
class Wanted:
    """One requirement.

    Parameters
    ----------
    field
        "packages" or "requirements".
    text
        As it was written, without options.
    requirement
        What it says; None for a bare URL.
    url
        The URL that it names, "" if it names none.
    only_if_there
        A constraint: it asks for nothing that nobody else asks for.
    """

    field: str
    text: str
    requirement: Requirement | None
    url: str = ""
    only_if_there: bool = False

    @property
    def key(self) -> str:
        """The canonical name, "" if it is not known."""
        if self.requirement is not None:
            return str(canonicalize_name(self.requirement.name))
        named = _EGG.search(self.url) or _WHEEL.search(self.url)
        return str(canonicalize_name(named[1])) if named else ""

    def applies(self, markers: Mapping[str, str]) -> bool:
        """Is it for the Python with these markers?"""
        marker = self.requirement.marker if self.requirement is not None else None
        return marker is None or marker.evaluate({**markers, "extra": ""})


def wanted(spec: ImageSpec, requirements: Requirements) -> list[Wanted]:
    """Give all that a spec's packages and its requirements file ask for."""
    found = [_read("packages", item.strip()) for item in spec.packages or ()]
    if requirements.files:
        found += _of_file(requirements.files, requirements.main, set())
    return found


def _of_file(
    files: Mapping[str, str], name: str, seen: set[tuple[str, bool]], *, only_if_there: bool = False
) -> Iterator[Wanted]:
    if (name, only_if_there) in seen:
        return
    seen.add((name, only_if_there))
    for line in files.get(name, "").splitlines():
        if nested := _NESTED.fullmatch(line):
            constrains = only_if_there or nested[1] == "-c"
            yield from _of_file(files, nested[2], seen, only_if_there=constrains)
        elif editable := _EDITABLE.fullmatch(line):
            yield _read("requirements", editable[1])
        elif not line.startswith("-"):
            yield _read("requirements", _OPTIONS.sub("", line).strip(), only_if_there=only_if_there)


def _read(field: str, text: str, *, only_if_there: bool = False) -> Wanted:
    try:
        named = Requirement(text)
    except InvalidRequirement:
        return Wanted(field, text, None, text.partition(" ;")[0], only_if_there)
    return Wanted(field, text, named, named.url or "", only_if_there)


def put_elsewhere(spec: ImageSpec) -> str:
    """Say what puts the packages where Python does not look; "" if nothing does."""
    for name, _ in argument_settings(shlex.split(spec.pip_extra_args or "")):
        if name in _ELSEWHERE:
            return f"pip_extra_args has --{name}: the packages are where Python does not look"
    for name in spec.env or {}:
        if name.startswith("PIP_") and name[4:].lower().replace("_", "-") in _ELSEWHERE:
            return f"env has {name}: the packages are where Python does not look"
    return ""


def without_dependencies(spec: ImageSpec) -> bool:
    """Are the packages installed without what they need?"""
    settings = argument_settings(shlex.split(spec.pip_extra_args or ""))
    return any(name == "no-deps" for name, _ in settings) or "PIP_NO_DEPS" in (spec.env or {})

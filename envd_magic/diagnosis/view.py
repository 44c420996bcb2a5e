"""A failure beside its spec, as rules look at it: texts, and where in the spec a thing stands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from envd_magic.errors import EnvdMagicError, SpecError
from envd_magic.recipe.compose import COMMAND_FAILED, base_name
from envd_magic.spec.checks import split_platforms
from envd_magic.spec.requirement import requirement_name
from envd_magic.spec.requirements import Requirements, read_requirements

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.diagnosis.model import Failure
    from envd_magic.spec.requirements import Line

_EXIT_CODE = re.compile(r"exit code (\d+)")
# What a longer line has more tells nothing, and takes patterns long.
_LONGEST = 2000
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Place:
    """Where in a spec something stands.

    Parameters
    ----------
    field
        Its field, "" for nowhere.
    item
        The item as it stands there, None if the whole field is meant.
    at
        The item's place in the list, or its name in the mapping; None where a fix cannot change
        it: it stands in a file.
    sure
        Is it known to be this one?
    line
        Where the file has it, if it stands in one.
    """

    field: str
    item: str | None = None
    at: int | str | None = None
    sure: bool = True
    line: Line | None = None


@dataclass(frozen=True)
class Index:
    """An index that a spec names, or its requirements file: its URL, and where it stands."""

    url: str
    place: Place


def groups(match: re.Match[str]) -> dict[str, str]:
    """Give what a pattern's groups found; ``what2`` stands for ``what`` if that found nothing."""
    found: dict[str, str] = {}
    for name, value in match.groupdict().items():
        if value is not None:
            found.setdefault(name.rstrip("0123456789"), value)
    return found


def normal(name: str) -> str:
    """Give a package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class View:
    """What rules look at.

    Parameters
    ----------
    spec
        What was to be built.
    failure
        What is known.
    """

    def __init__(self, spec: ImageSpec, failure: Failure) -> None:
        self.spec: Any = spec
        self.failure = failure

    @cached_property
    def text(self) -> str:
        """All that was told: what the step printed, and the message, its own lines once."""
        said = self.failure.message.splitlines()
        lines = [*self.failure.lines, *(said[:1] if self.failure.lines else said)]
        return "\n".join(line[:_LONGEST] for line in lines)

    @cached_property
    def exit_code(self) -> int | None:
        """Exit status of the step's program, if it ran one."""
        found = _EXIT_CODE.search(self.failure.message.partition("\n")[0])
        return int(found[1]) if found else None

    @cached_property
    def platform(self) -> str:
        """The first platform, as "linux/amd64"."""
        wanted = self.spec.platform
        return split_platforms(wanted if isinstance(wanted, str) else None)[0]

    @cached_property
    def base(self) -> str:
        """Name of the base image, "" if there is none."""
        try:
            return base_name(self.spec)
        except EnvdMagicError:
            return ""

    @cached_property
    def registry(self) -> str:
        """The registry that is meant: what the image goes to, or the base image comes from."""
        if "PushError" in self.failure.error:
            return str(self.spec.registry or "").partition("/")[0]
        first, slash, _ = self.base.partition("/")
        named = slash and ("." in first or ":" in first or first == "localhost")
        return first if named else "docker.io"

    def requirements(self) -> Iterator[Place]:
        """Give all Python requirements: items of `packages`, lines of the requirements file."""
        for number, item in enumerate(_list(self.spec.packages)):
            yield Place("packages", item, number)
        for line in self._file.lines:
            yield Place("requirements", line.text, line=line)

    @cached_property
    def _file(self) -> Requirements:
        path = self.spec.requirements
        if not path or not Path(path).is_file():
            return Requirements()
        try:
            return read_requirements(path)
        except (SpecError, OSError):
            return Requirements()

    def requirement(self, name: str) -> Place | None:
        """Find what asks for a package by its name, or None."""
        for place in self.requirements():
            own = requirement_name(place.item or "")
            if own is not None and normal(own) == normal(name):
                return place
        return None

    def indexes(self) -> Iterator[Index]:
        """Give the indexes that the spec names, its requirements file too."""
        if self.spec.pip_index:
            yield Index(self.spec.pip_index, Place("pip_index"))
        for number, url in enumerate(_list(self.spec.pip_extra_index_url)):
            yield Index(url, Place("pip_extra_index_url", url, number))
        for url in re.findall(r"https?://[^\s'\"]+", self.spec.pip_extra_args or ""):
            yield Index(url, Place("pip_extra_args", url))
        for line in self._file.options:
            for url in re.findall(r"https?://[^\s'\"]+", line.text):
                yield Index(url, Place("requirements", line.text, line=line))

    def index_at(self, host: str, path: str = "") -> Index | None:
        """Find the index at a host (with its port, or without), or whose URL a path belongs to."""
        for index in self.indexes():
            parts = urlsplit(index.url)
            own = parts.netloc.rpartition("@")[2]
            if host and host in (own, parts.hostname):
                return index
        if not host and path:
            fit = [one for one in self.indexes() if path.startswith(urlsplit(one.url).path)]
            return fit[0] if len(fit) == 1 else None
        return None

    def proxies(self) -> list[str]:
        """Give the names of the spec's variables that name a proxy."""
        names = self.spec.env if isinstance(self.spec.env, dict) else {}
        return [name for name in names if name.upper() in _PROXIES]

    @cached_property
    def command(self) -> Place:
        """The command that failed, where that is known."""
        commands = _list(self.spec.commands)
        if len(commands) == 1:
            return Place("commands", commands[0], 0)
        for line in reversed(self.failure.lines):
            if (found := COMMAND_FAILED.match(line.strip())) and int(found[1]) <= len(commands):
                number = int(found[1]) - 1
                return Place("commands", commands[number], number)
        return Place("commands")

    def item(self, field: str, fits: str) -> Place | None:
        """Find an item of a list by a pattern that it begins with."""
        for number, item in enumerate(_list(getattr(self.spec, field, None))):
            if re.match(fits, item):
                return Place(field, item, number)
        return None


def _list(value: Any) -> list[str]:
    """Give a list's items; a spec that is refused may have anything in its place."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []

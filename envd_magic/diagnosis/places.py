"""Where in a spec a failure belongs, by what its lines name."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion

from envd_magic.diagnosis.view import Place, groups, normal
from envd_magic.envd.contexts import SANDBOX_REGISTRY
from envd_magic.spec.requirement import requirement_name
from envd_magic.spec.requirements import Line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.diagnosis.rule import PlaceOf
    from envd_magic.diagnosis.view import View

_NAME = r"[A-Za-z0-9][\w.\-]*"
_DEPTH = 6
# How installers name what they build, the surest first.
_BUILT = (
    re.compile(rf"Failed to (?:download and )?build `?({_NAME})(?:==| @|`|$)", re.MULTILINE),
    re.compile(rf"Failed building wheel for ({_NAME})"),
    re.compile(rf"Running setup\.py install for ({_NAME}) did not run"),
    re.compile(rf"╰─> ({_NAME})$", re.MULTILINE),
)
# How a line of a file of requirements is named.
_IN_FILE = re.compile(r"(.+), line (\d+)")
_COLLECTED = re.compile(rf"^Collecting ({_NAME})", re.MULTILINE)


def named(view: View, match: re.Match[str]) -> Place | None:
    """Find the requirement that the pattern's ``name`` is, or that needs it."""
    return asked_for(view, match["name"])


def ignored_versions(match: re.Match[str]) -> list[tuple[str, str]]:
    """Give the versions that pip passes by, each with the Python that it asks for."""
    parts = (part.strip().partition(" Requires-Python ") for part in match["asks"].split(";"))
    return [(version, python) for version, _, python in parts if python]


def fits(version: str, specifier: str) -> bool:
    """Is a version one that a requirement asks for? One that is no version is none."""
    try:
        return SpecifierSet(specifier).contains(version, prereleases=True)
    except (InvalidSpecifier, InvalidVersion):
        return False


def for_other_python(view: View, match: re.Match[str]) -> Place | None:
    """Find the requirement whose versions are all for another Python."""
    ignored = ignored_versions(match)
    if match["versions"] != "none" and not any(fits(one, match["spec"]) for one, _ in ignored):
        return None
    return named(view, match)


def asked_for(view: View, name: str) -> Place | None:
    """Find the requirement of a name, or the one because of which it is installed."""
    seen = {normal(name)}
    waiting = [name]
    for _ in range(_DEPTH):
        for one in waiting:
            if (place := view.requirement(one)) is not None:
                return place
        waiting = [
            other for one in waiting for other in _needing(view.text, one) if other not in seen
        ]
        seen.update(waiting)
    return None


def _needing(text: str, name: str) -> Iterator[str]:
    """Give what needs a package, as uv and pip say it."""
    own = re.escape(name).replace(r"\-", "[-_.]")
    patterns = (
        rf"(?<![\w.-])({_NAME})(?:[=<>!~]\S*)? depends? on {own}\b",
        rf"(?<![\w.-])({_NAME}) \S+ depends on {own}\b",
        rf"requirement {own}\b[^\n(]*\(from ({_NAME})",
        rf"(?:Collecting|Downloading) {own}\b[^\n(]*\(from ({_NAME})",
        rf"`{own}`[^\n]* was included because `({_NAME})`",
    )
    for pattern in patterns:
        for found in re.finditer(pattern, text, re.IGNORECASE):
            yield normal(found[1])


def built(view: View, match: re.Match[str]) -> Place:
    """Find the requirement that was being built."""
    name = built_name(view, match)
    place = asked_for(view, name) if name else None
    if place is not None:
        return place
    every = list(view.requirements())
    if len(every) == 1:
        return every[0]
    return Place(view.failure.field, sure=False)


def built_name(view: View, match: re.Match[str]) -> str:
    """Give the name of the package that was being built, "" if nothing tells it."""
    for pattern in _BUILT:
        if found := pattern.search(view.text):
            return found[1]
    before = _COLLECTED.findall(view.text, 0, match.start())
    return before[-1] if before else ""


def with_url(view: View, match: re.Match[str]) -> Place | None:
    """Find the requirement that has the pattern's ``url`` in it."""
    url = _without_login(groups(match)["url"].rstrip(".,;:'\"`)"))
    return next((one for one in view.requirements() if url in _without_login(one.item)), None)


def at_file(view: View, match: re.Match[str]) -> Place | None:
    """Find the requirement that names the pattern's ``url`` or ``path`` of a machine."""
    said = groups(match)
    own = f"file://{said.get('path') or said['url'].removeprefix('file://')}".rstrip("/")
    return next((one for one in view.requirements() if own in (one.item or "")), None)


def _without_login(text: str | None) -> str:
    return re.sub(r"://[^\s/@]*@", "://", text or "")


def from_repository(view: View, match: re.Match[str]) -> Place | None:
    """Find the requirement that comes from version control."""
    said = groups(match)
    program = said.get("program", "git").lower()
    every = [one for one in view.requirements() if re.search(rf"\b{program}\+", one.item or "")]
    fit = [one for one in every if "url" in said and said["url"] in (one.item or "")]
    if fit or len(every) == 1:
        return (fit or every)[0]
    return _likely(every[0]) if every else None


def option(view: View, match: re.Match[str]) -> Place | None:
    """Find the option of the installer."""
    words = shlex.split(view.spec.pip_extra_args or "")
    what = groups(match)["what"]
    found = next((word for word in words if word.partition("=")[0] == what), None)
    return Place("pip_extra_args", found, found) if found else None


def extra_words(view: View, match: re.Match[str]) -> Place | None:
    """Find the options that have the pattern's ``what`` in them."""
    given = view.spec.pip_extra_args or ""
    return Place("pip_extra_args", given) if groups(match)["what"] in given else None


def index(view: View, match: re.Match[str]) -> Place:
    """Find the index that does not answer as it should, or the proxy before it."""
    said = groups(match)
    url = said.get("url", "")
    host = said.get("host") or urlsplit(url).netloc.rpartition("@")[2]
    found = view.index_at(host, said.get("path") or urlsplit(url).path)
    proxies = view.proxies()
    if "roxy" in match[0] and proxies:
        return Place("env", proxies[0], proxies[0])
    if found is not None:
        return found.place
    if url and (asked := with_url(view, match)) is not None:
        return asked
    if proxies:
        return Place("env", proxies[0], proxies[0], sure=False)
    own = list(view.indexes())
    if own and not host:
        return _likely(own[0].place)
    # Nobody but the base image and the installer themselves named it.
    return Place("", sure=False)


def lonely_index(view: View, match: re.Match[str]) -> Place | None:
    """Find an index that is passed over; where there are others, it may not be what is missed."""
    place = index(view, match)
    return place if place.field == "pip_index" else _likely(place)


def _likely(place: Place) -> Place:
    return replace(place, sure=False)


def contested(view: View, match: re.Match[str]) -> Place | None:
    """Find the requirement that the others do not go with."""
    asked = [one for one in view.requirements() if _said(one, match["lines"])]
    depends = re.findall(rf"({_NAME}) \S+ depends on ({_NAME})", match["lines"])
    for _, name in depends:
        for one in asked:
            if normal(requirement_name(one.item or "") or "") == normal(name):
                return one
    if asked and not depends:
        return asked[0]
    for who, _ in depends:
        if (place := asked_for(view, who)) is not None:
            return place
    if asked:
        return asked[0]
    return next(_not_together(view), Place(view.failure.field, sure=False))


def _not_together(view: View) -> Iterator[Place]:
    """Give the requirements that pip cannot install together, the pinned ones first."""
    said = re.search(r"^ERROR: Cannot install (.+) because these package", view.text, re.MULTILINE)
    words = re.split(r", | and ", said[1]) if said else []
    places = [view.requirement(re.split(r"[=<>!~\[; ]", word)[0]) for word in words]
    found = [place for place in places if place is not None]
    yield from sorted(found, key=lambda place: not re.search(r"[=<>~]=?", place.item or ""))


def _said(place: Place, lines: str) -> bool:
    """Is a requirement among what the user requested?"""
    item = re.sub(r"\s", "", (place.item or "").partition(";")[0])
    requested = re.findall(r"The user requested (?:\(constraint\) )?([^\n]+)", lines)
    return any(re.sub(r"\s", "", one).startswith(item) for one in requested if item)


def incompatible(view: View, match: re.Match[str]) -> Place | None:
    """Find the requirement that uv says does not go with the others."""
    name = match["name"]
    place = view.requirement(name)
    return place or asked_for(view, match["who"])


def debian_name(view: View, match: re.Match[str]) -> Place | None:
    """Find the Debian package that the pattern's ``name`` is."""
    own = re.escape(match["name"])
    return view.item("apt_packages", rf"{own}(?:[:=/]|$)")


def command(view: View, _: re.Match[str]) -> Place:
    """Take the command that failed."""
    return view.command


def of_program(*programs: str) -> PlaceOf:
    """Take the command that failed, where it runs one of some programs."""
    called = re.compile(rf"(?<![\w./-])(?:{'|'.join(programs)})(?![\w-])")

    def place(view: View, _: re.Match[str]) -> Place | None:
        return view.command if called.search(view.command.item or "") else None

    return place


def target(view: View, match: re.Match[str]) -> Place | None:
    """Take the command that failed, where the pattern's ``what`` is what it writes to."""
    said, place = match["what"], view.command
    if re.search(r": (?:cannot|failed to) (?!open)", match[0]):
        return place
    return place if (place.item or "").rstrip().endswith(said) else None


def redirected(view: View, match: re.Match[str]) -> Place | None:
    """Take the command that failed, where its output goes to the pattern's ``what``."""
    own = re.escape(match["what"])
    return view.command if re.search(rf">[>|]?\s*['\"]?{own}", view.command.item or "") else None


def unpacked(view: View, match: re.Match[str]) -> Place | None:
    """Take the command that failed, where tar puts files into the pattern's ``what``."""
    own = re.escape(match["what"])
    called = rf"(?:-C|--directory)[\s=]*['\"]?{own}"
    return view.command if re.search(called, view.command.item or "") else None


def command_with(view: View, match: re.Match[str]) -> Place:
    """Take the command that failed, or the only one that has the pattern's ``what`` in it."""
    if view.command.item is not None:
        return view.command
    what = groups(match).get("what", "")
    fit = [(n, one) for n, one in enumerate(view.spec.commands or []) if what in one]
    return Place("commands", fit[0][1], fit[0][0]) if len(fit) == 1 else view.command


def base(view: View, _: re.Match[str]) -> Place:
    """Take the base image, or what it comes from."""
    return Place("cuda") if view.spec.cuda else Place("base_image")


def platform(view: View, match: re.Match[str]) -> Place:
    """Take the platform that is missing."""
    wanted = groups(match).get("what")
    return Place("platform", wanted if wanted and view.spec.platform else None)


def tool_of_envd(view: View, _: re.Match[str]) -> Place:
    """Find the field for which envd takes a tool from an image of its own."""
    step = view.failure.step
    if "nvidia/cuda" in step:
        return Place("cuda")
    if "micromamba" in step or "curl" in step:
        for field in ("conda_packages", "python_version", "cuda"):
            if getattr(view.spec, field):
                return Place(field)
    return Place("base_image")


def builder(view: View, _: re.Match[str]) -> Place:
    """Find what chose a builder: the registry of Flyte's sandbox does."""
    return Place("registry" if view.spec.registry == SANDBOX_REGISTRY else "")


def _refused_line(where: str, why: str) -> Place:
    """Find the line of a file that is refused; the checks name the line and quote it."""
    found = _IN_FILE.fullmatch(where)
    quoted = re.match("'([^']+)' is no Python requirement", why)
    if found is None or quoted is None:
        return Place("requirements", where)
    line = Line(found[1], int(found[2]), quoted[1])
    return Place("requirements", quoted[1], line=line)


def refused(view: View, _: re.Match[str]) -> Place | None:
    """Take what the checks have found first."""
    if not view.failure.problems:
        return None
    field, item, why = view.failure.problems[0]
    if field == "requirements" and item is not None:
        return _refused_line(item, why)
    value = getattr(view.spec, field, None)
    at: int | str | None = item if isinstance(value, (dict, str)) else None
    if isinstance(value, list) and item in value:
        at = value.index(item)
    return Place(field, item, at)

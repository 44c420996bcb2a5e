"""What can be done about a Python requirement."""

from __future__ import annotations

import re
import shlex
import sys
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import VERSION_PATTERN, InvalidVersion, Version

from envd_magic.diagnosis import places
from envd_magic.diagnosis.fixes.common import close, drop_item, instead, without
from envd_magic.diagnosis.fixes.refused import file_elsewhere
from envd_magic.diagnosis.kept import python as kept
from envd_magic.diagnosis.model import Change, Fix
from envd_magic.diagnosis.offers import (
    files_of,
    index_used,
    is_for_platform,
    is_wheel,
    python_used,
    pythons_of,
)
from envd_magic.diagnosis.view import groups, normal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View

# Distributions that bring the same, compiled.
_TWINS = {
    "psycopg2": "psycopg2-binary",
    "psycopg": "psycopg[binary]",
    "mysqlclient": "pymysql",
    "opencv": "opencv-python-headless",
}
_OPTIONS = [
    "--upgrade",
    "--force-reinstall",
    "--no-deps",
    "--pre",
    "--index-url",
    "--extra-index-url",
    "--no-index",
    "--find-links",
    "--trusted-host",
    "--no-binary",
    "--only-binary",
    "--prefer-binary",
    "--constraint",
    "--require-hashes",
    "--no-build-isolation",
    "--use-pep517",
    "--no-cache-dir",
    "--retries",
    "--timeout",
    "--proxy",
    "--cert",
    "--client-cert",
    "--no-compile",
    "--ignore-installed",
    "--ignore-requires-python",
    "--quiet",
    "--verbose",
    "--config-settings",
    "--global-option",
]
_LAST_PYTHON = 14
_VERBOSE = re.VERBOSE | re.IGNORECASE

__all__ = ["drop_item"]


def _parsed(item: str | None) -> Requirement | None:
    try:
        return Requirement(item or "")
    except InvalidRequirement:
        return None


def _renamed(item: str, name: str) -> str:
    """Give a requirement with another name and all else as it was."""
    found = re.match(r"\s*[A-Za-z0-9][\w.\-]*", item)
    return f"{name}{item[found.end() :]}" if found else name


def _with_specifier(item: str, specifier: str) -> str:
    """Give a requirement with another specifier, its extras and its marker kept."""
    asked = _parsed(item)
    if asked is None:
        return item
    extras = f"[{','.join(sorted(asked.extras))}]" if asked.extras else ""
    marker = f" ; {asked.marker}" if asked.marker else ""
    return f"{asked.name}{extras}{specifier}{marker}"


def close_name(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take the name that was probably meant: what the index has, or what is well known."""
    name, item = match["name"], place.item
    asked = _parsed(item)
    if item is None or asked is None or normal(asked.name) != normal(name):
        # It is what somebody else needs.
        return
    if item.endswith(".txt"):
        yield from file_elsewhere(view, place, item)
    if name.lower() in sys.stdlib_module_names:
        yield without(place, ": it comes with Python")
        return
    index = index_used(view, ask)
    own = view.spec.pip_index
    candidates: list[str] = []
    if not own and (known := kept.DISTRIBUTIONS.get(asked.name)):
        candidates.append(known)
    for url in dict.fromkeys(one.url for one in view.indexes()):
        candidates += close(name, ask.packages(url))
    if not own:
        candidates += close(name, kept.popular())
    given = 0
    for one in dict.fromkeys(candidates):
        found = ask.offers(index, one) if index else None
        # A name that the index does not have helps nobody.
        if (found is None or found) and given < 2:  # noqa: PLR2004
            given += 1
            yield instead(place, _renamed(item, one))


def renamed(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the name that the package itself tells; its versions are others."""
    asked = _parsed(place.item)
    if asked is not None and normal(asked.name) == normal(match["name"]):
        marker = f" ; {asked.marker}" if asked.marker else ""
        yield instead(place, f"{match['meant']}{marker}")


def close_option(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the option that was probably meant."""
    for one in close(match["what"], _OPTIONS, most=1):
        yield instead(place, one)


def drop_option(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Leave the option out, with its value."""
    del view
    change = Change(place.field, "remove", None, place.at)
    yield Fix(f"leave {groups(match)['what']} out of pip_extra_args", (change,))


def file_in_requirements(_v: View, match: re.Match[str], _p: Place, _ask: Ask) -> Iterator[Fix]:
    """Name a file of constraints where files are taken along."""
    what = groups(match)["what"]
    yield Fix(f"name it in a file of requirements, in a line -c {what}, and that in requirements")


def hash_again(view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the file be made anew, by whoever trusts what the index has now."""
    path = view.spec.requirements
    if place.field == "requirements" and path:
        yield Fix(
            "make the file anew, if what the index has now is what you want; a hash that changed "
            "may mean that somebody changed the package",
            command="pip-compile --generate-hashes --output-file "
            f"{shlex.quote(str(path))} requirements.in",
        )


def check_url(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the address be looked at."""
    yield Fix(
        f"check the address in {place.item!r}; where it wants a login, a file of pip_secret_mounts "
        "can hold that (a .netrc)"
    )


def without_revision(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take what the repository has as its default."""
    revision = f"@{groups(match)['what']}"
    if place.item is not None and revision in place.item:
        new = place.item.replace(revision, "", 1)
        yield instead(place, new, ", for the repository's default branch")


def from_index(view: View, _match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take it by its name, so that the installer chooses the wheel that fits."""
    asked = _parsed(place.item)
    offered = ask.offers(index_used(view, ask), asked.name) if asked is not None else ()
    if asked is not None and (offered is None or offered):
        asked.url = None
        yield instead(place, str(asked), ", from the index, which knows which wheel fits")


def sound_version(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take another version than the one whose file is broken."""
    asked = _parsed(place.item)
    files = [_of(one.name) for one in files_of(view, match["name"], ask)]
    broken = groups(match).get("version", "")
    others = [one for one in _versions(iter(files)) if one != _closest_to(broken, files)]
    if asked is not None and place.item is not None and (best := _closest(others, broken)):
        yield instead(place, _with_specifier(place.item, f"=={best}"))


def _closest_to(said: str, files: Sequence[str]) -> Version | None:
    """Give the version that an installer took: the one that it told, or else the newest."""
    versions = _versions(iter([said] if said else files))
    return max(versions, default=None)


def from_source(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let it be built from source, though nothing else is."""
    change = Change("pip_extra_args", "add", f"--no-binary {match['name']}")
    yield Fix(f"add '--no-binary {match['name']}' to pip_extra_args, for its source", (change,))


def loosen(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Ask for what the others need, or leave one of two out."""
    asked = _parsed(place.item)
    if asked is None or place.item is None:
        return
    needs = [
        text.replace(" and ", ",")
        for name, text in re.findall(
            r"depends on ([A-Za-z0-9][\w.\-]*)(?:\[[^\]]*\])?([^\n;]*)", match["lines"]
        )
        if normal(name) == normal(asked.name) and text.strip()
    ]
    if needs:
        # What all of them need.
        together = ",".join(part.strip() for need in needs for part in need.split(","))
        if _is_specifier(together):
            yield instead(place, _with_specifier(place.item, together), ", as the others need it")
        return
    twins = [
        one
        for one in view.requirements()
        if one.item != place.item
        and (other := _parsed(one.item)) is not None
        and normal(other.name) == normal(asked.name)
    ]
    if twins:
        yield without(place)
        yield without(twins[0])


def _is_specifier(text: str) -> bool:
    try:
        SpecifierSet(text)
    except InvalidSpecifier:
        return False
    return True


def unpin(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Ask for any version, so that the installer finds one that fits."""
    asked = _parsed(place.item)
    if asked is not None and asked.specifier and place.item is not None:
        yield instead(place, _with_specifier(place.item, ""), ", for any version that fits")


def python_for(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take a Python that the package is for."""
    said = groups(match)
    asks = [python for _, python in places.ignored_versions(match)] if "asks" in said else []
    if said.get("asks") and not asks:
        asks = [said["asks"]]
    pythons = [_lowest(one) for one in asks]
    if not any(pythons):
        asked = _parsed(place.item)
        files = [
            one
            for one in files_of(view, said.get("name", ""), ask)
            if asked is None or places.fits(_of(one.name), str(asked.specifier))
        ]
        pythons = list(pythons_of(files, view.platform))
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    known = [one for one in dict.fromkeys(pythons) if one and one != python_used(view)]
    # One that this kernel has too suits tasks best.
    known.sort(key=lambda one: (one != here, [int(part) for part in one.split(".")]))
    for one in known[:1]:
        change = Change("python_version", "set", one)
        yield Fix(f"set python_version to {one}, or take a base image that has it", (change,))


def version_for(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take the closest version that has a wheel for the image's Python."""
    asked, python = _parsed(place.item), python_used(view)
    if asked is None or place.item is None or not python:
        return
    files = [one for one in files_of(view, match["name"], ask) if is_wheel(one)]
    fit = [one for one in files if pythons_of([one], view.platform) in ([], [python])]
    fit = [one for one in fit if is_for_platform(one, view.platform)]
    own = normal(asked.name) == normal(match["name"])
    version = _closest(_versions(_of(one.name) for one in fit), str(asked.specifier))
    if own and version is not None:
        yield instead(
            place,
            _with_specifier(place.item, f"=={version}"),
            f", which has a wheel for Python {python}",
        )


def _lowest(asks: str) -> str | None:
    """Give the lowest Python that fits, as "3.12"."""
    try:
        wanted = SpecifierSet(asks.strip())
    except InvalidSpecifier:
        return None
    minors = (f"3.{minor}" for minor in range(8, _LAST_PYTHON + 1))
    return next((one for one in minors if wanted.contains(f"{one}.99")), None)


def platform_for(view: View, match: re.Match[str], _place: Place, ask: Ask) -> Iterator[Fix]:
    """Take a platform that the package has wheels for."""
    names = [one.name for one in files_of(view, match["name"], ask)]
    for machine, platform in (("x86_64", "linux/amd64"), ("aarch64", "linux/arm64")):
        linux = any("linux" in name and machine in name for name in names)
        if linux and platform != view.platform:
            yield Fix(
                f"build for {platform}, which it has wheels for",
                (Change("platform", "set", platform),),
            )


def close_version(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take a version that is there: the closest to the one that was asked for."""
    if place.item is None:
        return
    said = groups(match)
    listed = [one.strip() for one in said.get("versions", "").split(",")]
    versions = _versions(one for one in listed if one and one != "none")
    versions = versions or _versions(
        version for one in files_of(view, said.get("name", ""), ask) if (version := _of(one.name))
    )
    best = _closest(versions, said.get("spec", ""))
    if best is not None:
        yield instead(place, _with_specifier(place.item, f"=={best}"), ", the closest there is")
        yield instead(place, _with_specifier(place.item, ""), ", for the newest that fits")


def nearest(listed: str, specifier: str) -> str | None:
    """Give the version that is closest to what was asked for, of those that pip lists."""
    best = _closest(_versions(one.strip() for one in listed.split(",")), specifier)
    return None if best is None else str(best)


def _of(name: str) -> str:
    """Give the version in the name of a wheel or a source distribution."""
    stem = re.sub(r"\.(whl|tar\.gz|zip|tar\.bz2)$", "", name)
    return stem.split("-")[1] if "-" in stem else ""


def _versions(texts: Iterator[str]) -> list[Version]:
    return [Version(text) for text in texts if re.fullmatch(VERSION_PATTERN, text, _VERBOSE)]


def _closest(versions: Sequence[Version], specifier: str) -> Version | None:
    stable = sorted(one for one in versions if not one.is_prerelease) or sorted(versions)
    wanted = re.search(r"[\d][\w.]*", specifier)
    if not stable or wanted is None:
        return stable[-1] if stable else None
    try:
        asked = Version(wanted[0].rstrip("."))
    except InvalidVersion:
        return stable[-1]
    # Of the same line if there is one, else the newest before it, else the oldest.
    same = [one for one in stable if one.release[:2] == asked.release[:2]]
    before = [one for one in stable if one <= asked]
    return (same or before or stable[:1])[-1]


def in_python(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Leave out what Python has by itself by now; its old packages do not build any more."""
    asked = _parsed(place.item)
    if asked is not None and normal(asked.name) in kept.IN_PYTHON:
        yield without(place, ": Python has it by itself")


def binary_twin(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take a package that brings the same without being compiled."""
    asked = _parsed(place.item)
    if asked is None or place.item is None:
        return
    if twin := _TWINS.get(normal(asked.name)):
        new = _renamed(place.item, twin) if normal(twin).startswith(normal(asked.name)) else twin
        yield instead(place, new, ", which is not compiled")
    del view, match


def other_version(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take another version, by hand: nobody knows which one builds."""
    asked = _parsed(place.item)
    if asked is not None and asked.specifier and place.item is not None:
        yield instead(place, _with_specifier(place.item, ""), ", for any version that has a wheel")
    elif place.item is not None:
        yield Fix(f"name another version of {place.item!r}, one that has a wheel")

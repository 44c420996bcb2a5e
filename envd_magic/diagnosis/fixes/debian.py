"""What can be done about a Debian package."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.diagnosis.fixes.common import close, drop_item, instead
from envd_magic.diagnosis.kept import debian
from envd_magic.diagnosis.model import Fix

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View

__all__ = ["drop_item"]


def close_name(_view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take the name that was probably meant."""
    name = match["name"]
    if place.item is None:
        return
    found = []
    if renamed := debian.renamed_package(name):
        found.append(renamed)
    known = ask.debian()
    if known:
        found = [one for one in found if one in set(known)] or found
        # What begins so is likelier than what looks so: libgomp is libgomp1's beginning.
        begins = sorted((one for one in known if one.startswith(name)), key=len)
        found += [one for one in begins if one[len(name) :].lstrip("0123456789.-") == ""][:1]
    found += [debian.RENAMED[old] for old in close(name, debian.RENAMED, most=1)]
    found += close(name, debian.known_packages(), most=1)
    found += close(name, known, most=1)
    for one in list(dict.fromkeys(found))[:2]:
        yield instead(place, one)


def any_version(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the version that the mirror has now."""
    if place.item is not None:
        yield instead(place, match["name"], ", for the version that there is now")


def other_base(view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the base image be changed."""
    name = place.item or "what is asked for"
    yield Fix(
        f"take a base image whose packages go with {name}, or let one lift its hold "
        "(apt-mark showhold lists those)"
    )
    del view


def base_with_apt(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the base image be a Debian or an Ubuntu."""
    yield Fix("take a base image that is made of Debian or Ubuntu, as python:3.12-slim is")


def newer_release(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the base image be a newer one."""
    yield Fix("take a base image of a release that still has a mirror, as debian:12")

"""What an index offers of a package, and for which Python and platform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from envd_magic.diagnosis.ask import Ask, Offer
    from envd_magic.diagnosis.view import View

_WHEEL = re.compile(r"-(?P<python>[^-]+)-(?P<abi>[^-]+)-(?P<platform>[^-]+)\.whl$")
_USED = re.compile(r"Using (?:C?Python|Python) (3\.\d+)|Python version \((3\.\d+)")
_LOOKED = re.compile(r"^Looking in indexes: (.+)$", re.MULTILINE)
_MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


def index_used(view: View, ask: Ask) -> str:
    """Give the URL of the index that names are looked up in, "" if nobody knows it."""
    if view.spec.pip_index:
        return str(view.spec.pip_index)
    looked = _LOOKED.search(view.text)
    own = {one.url for one in view.indexes()}
    for url in re.split(r",\s*", looked[1]) if looked else ():
        # One with a login is told masked.
        if url not in own and "****" not in url:
            return url
    return ask.default_index()


def files_of(view: View, package: str, ask: Ask) -> Sequence[Offer]:
    """Give the files that the indexes have of a package, as far as they tell."""
    found: list[Offer] = []
    urls = [index_used(view, ask), *(one.url for one in view.indexes())]
    for url in dict.fromkeys(urls):
        if url and package:
            found += ask.offers(url, package) or ()
    return found


def is_wheel(offer: Offer) -> bool:
    """Is a file a wheel, and no source?"""
    return bool(_WHEEL.search(offer.name))


def is_for_platform(offer: Offer, platform: str) -> bool:
    """Is a file one for a platform, as "linux/amd64", whatever Python it is for?"""
    wheel = _WHEEL.search(offer.name)
    if wheel is None or wheel["platform"] == "any":
        return True
    machine = _MACHINES.get(platform, platform.rpartition("/")[2])
    return "linux" in wheel["platform"] and machine in wheel["platform"]


def pythons_of(offers: Iterable[Offer], platform: str) -> list[str]:
    """Give the Pythons, as "3.12", that wheels for a platform are for."""
    found = set()
    for offer in offers:
        wheel = _WHEEL.search(offer.name)
        if wheel is not None and is_for_platform(offer, platform):
            for tag in wheel["python"].split("."):
                if version := re.fullmatch(r"cp3(\d+)", tag):
                    found.add(int(version[1]))
    return [f"3.{minor}" for minor in sorted(found)]


def python_used(view: View) -> str:
    """Give the Python of the image, as "3.11", "" if nothing tells it."""
    asked = re.match(r"3\.\d+", str(view.spec.python_version or ""))
    found = _USED.search(view.text)
    return asked[0] if asked else (found[1] or found[2]) if found else ""

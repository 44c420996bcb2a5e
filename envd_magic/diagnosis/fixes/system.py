"""What Debian packages a Python package needs to be installed."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

from envd_magic.diagnosis.fixes.common import add_debian
from envd_magic.diagnosis.kept import debian
from envd_magic.diagnosis.model import Change, Fix
from envd_magic.diagnosis.view import groups

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View

# What only Debian's own Python has in what it tells.
_DEBIANS = re.compile(
    r"-linux-gnu-gcc|/usr/include/python3|environment at: /usr$|/usr/lib/python3|/usr/bin/python",
    re.MULTILINE,
)


def add_python(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Install Debian's Python."""
    yield add_debian(["python3", "python3-pip"], ", for Debian's Python")


def set_python(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let envd install a Python."""
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    change = Change("python_version", "set", here)
    yield Fix(f"set python_version to {here}, for a Python of envd's own", (change,))


def add_pip(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Install pip."""
    yield add_debian(["python3-pip"])


def add_program(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Install the program that is missing."""
    name = groups(match).get("program", "").lower()
    if package := debian.program_package(name):
        # git needs certificates to fetch over HTTPS.
        yield add_debian([package, "ca-certificates"] if package == "git" else [package])


def add_rust(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Install Rust."""
    yield add_debian(["cargo", debian.COMPILER])


def add_needed(view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Install what has the header, the library or the program, and what compiles."""
    said = groups(match)
    needed: list[str | None] = []
    if header := said.get("header"):
        needed.append(debian.header_package(header))
    if library := said.get("library"):
        needed.append(debian.library_package(library))
    if program := said.get("program"):
        compiles = "COMPILER" in program
        needed.append(debian.COMPILER if compiles else debian.program_package(program))
    found = [one for one in needed if one]
    if not found:
        what = header or library or program or ""
        yield Fix(
            f"find the Debian package that has {what}, and add it to apt_packages",
            command=f"apt-file search {what}",
        )
        return
    yield add_debian(dict.fromkeys([*found, *_compiling(view)]))


def _compiling(view: View) -> Iterator[str]:
    """Give what every package in C needs, where the image may lack it."""
    there = set(view.spec.apt_packages or ())
    if not there & {debian.COMPILER, "gcc", "g++", "clang"}:
        yield debian.COMPILER
    # Debian's own Python names its compiler so; its headers are a package of their own.
    if _DEBIANS.search(view.text) and debian.PYTHON_HEADERS not in there:
        yield debian.PYTHON_HEADERS

"""Run inside an image by the image's own Python: tell what is there.

It has to run on any Python 3.8 or later with nothing but its standard library, and in any image: a
file of the user's may be called as a module of the standard library is. So nothing but `os` and
`sys` is imported before :func:`use_standard_library`, and what imports the modules that are asked
for is another process, which is there before that.
"""

from __future__ import annotations

import os
import sys

# The other parts: the source of all is put together without these lines.
from envd_magic.verification.inside.importing import READ, fork_importer
from envd_magic.verification.inside.system import (
    debian_packages,
    dpkg_status,
    file_at,
    missing_programs,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

OURS = "envd_magic:"
MOST_MODULES = 5
NO_MODULES = ("test", "tests", "doc", "docs", "example", "examples", "benchmark", "benchmarks")


def use_standard_library() -> list[str]:
    """Let only the standard library be imported; give where modules were looked for before."""
    before = sys.path[1:] if sys.path[:1] == [""] else sys.path[:]
    own = os.path.dirname(os.__file__)
    sys.path[:] = [own, *(path for path in before if is_standard(path, own))]
    return before


def is_standard(path: str, own: str) -> bool:
    """Is a folder of the path one of the standard library's?"""
    name = os.path.basename(path)
    return path != own and (name.startswith("lib-dynload") or name.endswith(".zip"))


def environment() -> dict[str, str]:
    """Give the variables as the container has them: Python sets some by itself."""
    try:
        with open("/proc/self/environ", "rb") as file:
            items = os.fsdecode(file.read()).split("\0")
    except OSError:
        return dict(os.environ)
    return dict(item.split("=", 1) for item in items if "=" in item)


def python() -> dict[str, Any]:
    """Give what markers of requirements ask of a Python (PEP 508), and where it is."""
    import platform

    numbers = sys.implementation.version
    implementation = "%d.%d.%d" % tuple(numbers[:3])
    if numbers.releaselevel != "final":
        implementation += numbers.releaselevel[0] + str(numbers.serial)
    markers = {
        "implementation_name": sys.implementation.name,
        "implementation_version": implementation,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": platform.python_version(),
        "platform_python_implementation": platform.python_implementation(),
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }
    return {"markers": markers, "executable": sys.executable}


def distributions(path: list[str], wanted: list[str]) -> Iterator[dict[str, Any]]:
    """Give the installed distributions, those that count first come first."""
    from importlib import metadata

    seen = set()
    for place, folder in enumerate(path):
        real = os.path.realpath(folder)
        if real in seen:
            continue
        seen.add(real)
        for one in metadata.distributions(path=[folder]):
            try:
                found = distribution(one, wanted)
            except (OSError, ValueError, KeyError, AttributeError):
                continue  # what a broken removal left
            if found:
                found["place"] = place
                yield found


def distribution(one: Any, wanted: list[str]) -> dict[str, Any] | None:
    """Read one record; None if it has no name or no version."""
    text = one.read_text("METADATA") or one.read_text("PKG-INFO") or one.read_text("") or ""
    heads: dict[str, list[str]] = {}
    for line in text.splitlines():
        if not line.strip():
            break
        name, colon, value = line.partition(":")
        if colon and not line[0].isspace():
            heads.setdefault(name.lower(), []).append(value.strip())
    if "name" not in heads or "version" not in heads:
        return None
    found = {
        "name": heads["name"][0],
        "version": heads["version"][0],
        "requires": heads.get("requires-dist") or list(one.requires or []),
        "direct": one.read_text("direct_url.json"),
        "conda": (one.read_text("INSTALLER") or "").strip() == "conda",
    }
    if normal(found["name"]) in wanted:
        found["modules"] = modules_of(normal(found["name"]), one)
    return found


def normal(name: str) -> str:
    """Give a name as indexes compare it."""
    for char in "-_.":
        name = name.replace(char, " ")
    return "-".join(name.lower().split())


def modules_of(name: str, one: Any) -> list[str]:
    """Give the modules that a distribution is imported by: the one of its name, if there is one."""
    record = one.read_text("RECORD") or ""
    paths = [line.rpartition(",")[0].rpartition(",")[0].strip('"') for line in record.splitlines()]
    paths = paths or (one.read_text("installed-files.txt") or "").splitlines()
    packages = {os.path.dirname(path) for path in paths if path.endswith("/__init__.py")}
    found = {
        package.replace("/", ".")
        for package in packages
        if not any(above in packages for above in parents(package))
    }
    for path in paths:
        if "/" not in path and path.endswith((".py", ".so")):
            found.add(path.partition(".")[0])
    named = (one.read_text("top_level.txt") or "").split()
    if not found:
        found = {line.replace("/", ".") for line in named}
    good = sorted(module for module in found if is_module(module))
    same = [module for module in good if normal(module) == name]
    return (same or [module for module in good if module not in NO_MODULES])[:MOST_MODULES]


def parents(package: str) -> Iterator[str]:
    """Give the folders around one."""
    while "/" in package:
        package = os.path.dirname(package)
        yield package


def is_module(name: str) -> bool:
    """Is it a name of a module that is meant to be imported?"""
    return not name.startswith("_") and all(part.isidentifier() for part in name.split("."))


def installed_modules(path: list[str], asked: dict[str, Any], ask: int) -> list[dict[str, Any]]:
    """Give the distributions, and let the modules of those that were asked for be imported."""
    known = [line.partition(",")[0] for line in asked["modules"]]
    found = list(distributions(path, asked["packages"]))
    lines = []
    # What needs most first: it imports the others on its way.
    for one in sorted(found, key=lambda one: -len(one["requires"])):
        for module in one.get("modules", ()):
            if module not in known:
                known.append(module)
                lines.append(module)
    send(ask, lines)
    asked["count"] = len(known)
    return found


def send(ask: int, lines: list[str]) -> None:
    """Ask for imports."""
    text = "".join(line + "\n" for line in lines).encode()
    while text:
        text = text[os.write(ask, text) :]


def imports(tell: int, count: int) -> dict[str, list[str]]:
    """Hear of all imports that were asked for."""
    found: dict[str, list[str]] = {}
    text = b""
    while len(found) < count:
        piece = os.read(tell, READ)
        if not piece:
            break
        *lines, text = (text + piece).split(b"\n")
        for line in lines:
            first, state, said = line.decode("utf-8", "replace").split("\t", 2)
            # What came of a process of its own counts more.
            if state != "with" or first not in found:
                found[first] = [state, said]
    return found


def answer(asked: dict[str, Any], path: list[str], ask: int) -> dict[str, Any]:
    """Look at all that is asked for."""
    send(ask, asked["modules"])
    found: dict[str, Any] = {"environment": environment(), **python()}
    found["distributions"] = installed_modules(path, asked, ask)
    os.close(ask)
    if asked["apt"]:
        found["apt"] = debian_packages(dpkg_status(), asked["apt"])
        for record in found["apt"]:
            record["missing"] = missing_programs(record)
    found["files"] = {name: file_at(name, size) for name, size in asked["files"].items()}
    return found


def main(words: list[str]) -> None:
    """Read the question from the words, and write the answer in a line of its own."""
    ask, tell = fork_importer(float(words[0]), float(words[1]))
    path = use_standard_library()
    import base64
    import json
    import zlib

    asked = json.loads(zlib.decompress(base64.b64decode("".join(words[3:]))))
    found = answer(asked, path, ask)
    found["imports"] = imports(tell, asked["count"])
    text = "\n" + OURS + words[2] + ":" + json.dumps(found) + "\n"
    told = text.encode("ascii")
    while told:
        told = told[os.write(1, told) :]
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])

"""What can be done about a command."""

from __future__ import annotations

import re
import shlex
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from envd_magic.diagnosis.fixes.common import add_debian, close, find_below
from envd_magic.diagnosis.fixes.requirements import nearest
from envd_magic.diagnosis.kept import debian, programs, python
from envd_magic.diagnosis.kept.libraries import shared_library_package
from envd_magic.diagnosis.model import Change, Fix
from envd_magic.diagnosis.view import groups
from envd_magic.spec.reading import read_file
from envd_magic.spec.requirement import requirement_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View

# Programs are many and their names short: less would be chance.
_ALIKE = 0.78
# Bytes of a script that are looked at.
_LARGEST = 1 << 20
# Words that other files have before a command.
_NEEDLESS = {
    "sudo": ": commands run as root",
    "RUN": ": a command stands by itself here, not as in a Dockerfile",
}
_SYSTEM = "install it with apt_packages: the base image is one of Debian or Ubuntu"
_SERVICE = "start it in the entrypoint: while an image is built, no service runs"
_OTHERWISE = {
    **dict.fromkeys(("apk", "brew", "dnf", "microdnf", "pacman", "yum", "zypper"), _SYSTEM),
    **dict.fromkeys(("initctl", "journalctl", "service", "systemctl"), _SERVICE),
    **dict.fromkeys(("conda", "mamba", "micromamba"), "name its packages in conda_packages"),
    **dict.fromkeys(("COPY", "ADD"), "name the file in copy"),
    "ENV": "set the variable in env",
}
_USUAL = [
    "awk",
    "bash",
    "cat",
    "chmod",
    "chown",
    "cp",
    "curl",
    "cut",
    "date",
    "echo",
    "env",
    "find",
    "grep",
    "head",
    "install",
    "ln",
    "ls",
    "mkdir",
    "mv",
    "pip",
    "pip3",
    "python",
    "python3",
    "rm",
    "sed",
    "sh",
    "sort",
    "tail",
    "tee",
    "test",
    "touch",
    "tr",
    "uniq",
    "wc",
    "xargs",
    "apt-get",
    "dpkg",
]


def close_program(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the program that was probably meant."""
    name = groups(match)["what"]
    known = name in {**programs.PROGRAMS, **python.PROGRAMS, **_OTHERWISE, **_NEEDLESS}
    if place.item is None or known or "/" in name or not isinstance(place.at, int):
        return
    for one in close(name, [*_USUAL, *python.PROGRAMS, *programs.PROGRAMS], 1, _ALIKE):
        change = Change(place.field, "rewrite", [name, one], place.at)
        yield Fix(f"write {one} in place of {name}", (change,))


def other_way(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Do without a program that has no place in a build."""
    name = groups(match)["what"]
    why = _NEEDLESS.get(name)
    words = re.compile(rf"(?<![\w./-]){re.escape(name)}\s+(?:-[EHn]+\s+)*")
    found = words.findall(place.item or "")
    if why and found and isinstance(place.at, int):
        changed = words.sub("", place.item or "")
        change = Change(place.field, "replace", changed, place.at)
        yield Fix(f"leave {name} out{why}", (change,))
    elif advice := _OTHERWISE.get(name):
        yield Fix(advice)


def add_program(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Install what has the program."""
    name = groups(match)["what"].rpartition("/")[2]
    if name in _OTHERWISE or name in _NEEDLESS:
        return
    if package := debian.program_package(name):
        # Whatever fetches over HTTPS needs certificates.
        fetches = package in ("git", "curl", "wget")
        yield add_debian([package, "ca-certificates"] if fetches else [package])
    elif distribution := python.PROGRAMS.get(name):
        yield _add_package(distribution)
    else:
        yield Fix(
            f"find the Debian package that has {name}, and add it to apt_packages",
            command=f"apt-file search --regexp 'bin/{name}$'",
        )


def _add_package(name: str) -> Fix:
    return Fix(f"add {name} to packages", (Change("packages", "add", name),))


def close_module(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the module that was probably meant: one of a package that the spec has."""
    name = groups(match)["what"].partition(".")[0]
    names = [requirement_name(one.item or "") for one in view.requirements()]
    modules = [one.replace("-", "_") for one in names if one]
    if place.item is None or not isinstance(place.at, int) or python.module_distribution(name):
        return
    for one in close(name, modules, 1, _ALIKE):
        change = Change(place.field, "rewrite", [name, one], place.at)
        yield Fix(f"write {one} in place of {name}", (change,))


def add_module(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Install what has the module."""
    module = groups(match)["what"]
    first = module.partition(".")[0]
    own = next((one for one in (f"{first}.py", first) if _is_module(Path(one))), None)
    if own:
        # As `python /root/app.py` finds it, with /root first on its path.
        yield Fix(f"add {own!r} to copy", (Change("copy", "add", own),))
    elif distribution := python.module_distribution(module):
        yield _add_package(distribution)
    else:
        yield Fix(f"add the package that has the module {module} to packages, or its file to copy")


def _is_module(path: Path) -> bool:
    """Is it a module or a package of the user's?"""
    return path.is_file() or (path / "__init__.py").is_file()


def run_with_shell(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Run a script with its interpreter: its file need not be executable then."""
    what = groups(match).get("what", "")
    if (
        place.item is None
        or not isinstance(place.at, int)
        or not place.item.lstrip().startswith(what)
    ):
        return
    program = {".sh": "bash", ".py": "python"}.get(PurePosixPath(what).suffix)
    if program and what:
        change = Change(place.field, "rewrite", [what, f"{program} {what}"], place.at)
        yield Fix(f"run it with {program}", (change,))


def make_executable(view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Make a copied file executable, where it is copied from."""
    what = groups(match).get("what", "")
    if found := _copied(view, what):
        yield Fix(
            "make the file executable before it is copied", command=f"chmod +x {shlex.quote(found)}"
        )


def _copied(view: View, target: str) -> str | None:
    """Give the path of the user's that lands at a path of the image."""
    if not target.startswith("/root/"):
        return None
    inner = target.removeprefix("/root/")
    places = [Path(inner), Path(view.spec.source_root or ".", inner)]
    return next((str(path) for path in places if path.is_file()), None)


def copy_file(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Copy the file into the image, where it is here."""
    what = groups(match)["what"]
    inner = what.removeprefix("/root/")
    # Commands run in /root.
    if inner and not inner.startswith("/") and ".." not in Path(inner).parts:
        if Path(inner).exists():
            yield Fix(f"add {inner!r} to copy", (Change("copy", "add", inner),))
            return
        if found := find_below(Path(inner).name):
            yield Fix(
                f"add {found!r} to copy; it is /root/{found} then",
                (Change("copy", "add", found), *_renamed(place, what, f"/root/{found}")),
            )
            return
    yield Fix(f"add the file that becomes {what} to copy, as it lands below /root")
    del view


def _renamed(place: Place, old: str, new: str) -> tuple[Change, ...]:
    if place.item is None or old not in place.item or not isinstance(place.at, int):
        return ()
    return (Change(place.field, "rewrite", [old, new], place.at),)


def copy_folder(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Copy the folder into the image, or make it there."""
    what = groups(match)["what"]
    found = [one for one in copy_file(view, match, place, ask) if one.changes]
    yield from found
    if not found and (changes := _renamed(place, f"cd {what}", f"mkdir -p {what} && cd {what}")):
        yield Fix(f"make the folder {what}, if it is to be empty", changes)
    if not found:
        yield Fix(f"add the folder that becomes {what} to copy, as it lands below /root")


def make_parents(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let mkdir make the folders above too, and be content with what is there."""
    if changes := _renamed(place, "mkdir ", "mkdir -p "):
        yield Fix("write mkdir -p, which makes the folders above too", changes)


def make_folder(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Make the folder of what the command writes before."""
    what = match["what"]
    folder = what.rstrip("/") if what.endswith("/") else str(PurePosixPath(what).parent)
    yield from _before(place, f"mkdir -p {shlex.quote(folder)}", f"make the folder {folder} before")


def make_this_folder(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Make the folder itself before."""
    folder = match["what"]
    yield from _before(place, f"mkdir -p {shlex.quote(folder)}", f"make the folder {folder} before")


def make_user(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Make the user before."""
    name = groups(match)["what"]
    yield from _before(place, f"useradd --create-home {name}", f"make the user {name} before")


def _before(place: Place, command: str, text: str) -> Iterator[Fix]:
    """Run something before a command."""
    if place.item is not None and isinstance(place.at, int):
        change = Change(place.field, "replace", f"{command} && {place.item}", place.at)
        yield Fix(text, (change,))


def add_library(view: View, match: re.Match[str], _place: Place, ask: Ask) -> Iterator[Fix]:
    """Install what has the shared library."""
    library = match["library"]
    package, known = shared_library_package(library), ask.debian()
    if package and known and package not in known:
        # Names that were changed for a new ABI have something behind the version.
        package = next(iter(sorted(one for one in known if one.startswith(package))), None)
    if package == "libgl1" and any("opencv" in (one.item or "") for one in view.requirements()):
        # OpenCV's wheels want both, and tell of one at a time.
        yield add_debian([package, "libglib2.0-0"])
    elif package:
        yield add_debian([package])
    else:
        yield Fix(
            f"find the Debian package that has {library}, and add it to apt_packages",
            command=f"apt-file search {library}",
        )


def close_package(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the Python package that was probably meant."""
    name = requirement_name(match["what"]) or match["what"]
    known = python.DISTRIBUTIONS.get(name)
    for one in [known] if known else close(name, python.popular(), 1):
        if changes := _renamed(place, name, one):
            yield Fix(f"write {one} in place of {name}", changes)


def close_version(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the version that is closest to the one that pip does not find."""
    version = nearest(match["versions"], match["spec"])
    for written in (match["what"], re.sub(r"(?<=\w)(?=[=<>!~])", " ", match["what"], count=1)):
        new = f"{match['name']}=={version}"
        if version and (changes := _renamed(place, written, new)):
            yield Fix(f"write {new} in place of {written}, the closest there is", changes)
            return


def update_first(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Fetch the lists of packages before: base images have none."""
    for program in ("apt-get", "apt"):
        install, update = f"{program} install", f"{program} update"
        if place.item and install in place.item and update not in place.item:
            yield Fix(
                f"fetch the lists of packages first, with {update}",
                _renamed(place, install, f"{update} && {install}"),
            )
            return


def close_debian(_view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take the Debian package that was probably meant."""
    name, known = match["what"], ask.debian()
    if name in known or debian.program_package(name) == name:
        return
    renamed = debian.renamed_package(name)
    for one in [renamed] if renamed else close(name, [*known, *debian.known_packages()], 1):
        if changes := _renamed(place, name, one):
            yield Fix(f"write {one} in place of {name}", changes)


def as_apt_package(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the build itself install it."""
    yield Fix(f"leave it to apt_packages: {match['what']!r} there, and not in the command")


def add_interpreter(view: View, match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Install what the first line of a script names, where the script is here."""
    found = _copied(view, groups(match).get("what", ""))
    try:
        first = read_file(found, 1000, cut=True).split(b"\n")[0] if found else b""
    except OSError:
        return
    words = first.decode("utf-8", "replace").removeprefix("#!").split()
    named = [word for word in words if word.rpartition("/")[2] != "env" and word[:1] != "-"]
    if not first.startswith(b"#!") or b"\r" in first or not named:
        return
    name = named[0].rpartition("/")[2]
    if package := debian.program_package(name):
        yield add_debian([package])
    else:
        yield Fix(f"name a program that the image has in the first line of {found}, not {named[0]}")
    del place, ask


def unix_lines(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """End the script's lines as Unix does, where it is copied from."""
    what = groups(match).get("what", "")
    if "/" not in what and place.item:
        what = next((word for word in place.item.split() if word.startswith("/root/")), what)
    command = "sed -i 's/\\r$//'"
    found = _copied(view, what)
    if found and b"\r" not in read_file(found, _LARGEST, cut=True):
        return
    if found:
        yield Fix(
            f"let the lines of {found} end as Unix ends them",
            command=f"{command} {shlex.quote(found)}",
        )
    elif what and place.item and isinstance(place.at, int):
        first = f"{command} {shlex.quote(what)} && {place.item}"
        change = Change(place.field, "replace", first, place.at)
        yield Fix(f"let the lines of {what} end as Unix ends them, before it runs", (change,))


def close_variable(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the variable that was probably meant: one that the spec sets."""
    name = match["what"]
    for one in close(name, view.spec.env or {}, 1, _ALIKE):
        if changes := _renamed(place, name, one):
            yield Fix(f"write {one} in place of {name}", changes)


def set_variable(_view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Set the variable, or let it be empty."""
    name = match["what"]
    yield Fix(f"let env set {name}")
    for written in (f"${{{name}}}", f"${name}"):
        if changes := _renamed(place, written, f"${{{name}:-}}"):
            yield Fix(f"write ${{{name}:-}}, which is empty where {name} is not set", changes)
            return


def check_address(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the address be looked at."""
    yield Fix("check the address in the command")
    del place


def try_it(view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the command be tried by hand."""
    yield Fix(
        "try the command by hand; what is installed before it is not in the base image",
        command=f"docker run --rm -it {view.base} bash",
    )

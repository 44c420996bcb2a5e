"""What can be done about a value that is refused before anything runs."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.diagnosis.fixes.common import close, drop_item, find_below, instead, without
from envd_magic.diagnosis.meant import (
    image_meant,
    platform_meant,
    python_meant,
    requirements_meant,
    tag_meant,
)
from envd_magic.diagnosis.model import Change, Fix
from envd_magic.spec.fields import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View

__all__ = ["drop_item"]

_PLAIN: dict[str, Callable[[str], str]] = {
    "base_image": image_meant,
    "python_version": python_meant,
    "platform": platform_meant,
    "tag_format": tag_meant,
}

_EXPORTS = {
    "pyproject.toml": "uv pip compile pyproject.toml --output-file requirements.txt",
    "uv.lock": "uv export --format requirements-txt --output-file requirements.txt",
    "poetry.lock": "poetry export --output requirements.txt",
    "Pipfile": "pipenv requirements > requirements.txt",
    "Pipfile.lock": "pipenv requirements > requirements.txt",
}


def plain_name(view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take a name that is one, as close as can be."""
    # What is left of a letter with an accent is the letter.
    plain = unicodedata.normalize("NFKD", str(view.spec.name).lower())
    plain = "".join(one for one in plain if not unicodedata.combining(one))
    name = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    # flytekit's own name stands for none.
    name = name or "flytekit"
    yield Fix(f"take the name {name!r}", (Change("name", "set", name),))


def close_path(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take a path that is there."""
    value = getattr(view.spec, place.field, None)
    if place.field == "requirements" and place.item is not None:
        yield from _close_nested(match, place.item)
        return
    path = Path(place.item or (str(value) if value else ""))
    # A folder in a file's place, and a link to nowhere, have the name already.
    if (path.is_absolute() and not path.parent.is_dir()) or os.path.lexists(path):
        return
    for found in _near(path):
        kind = BY_NAME[place.field].kind
        if kind == "list":
            yield instead(place, found, ", which is there")
        elif kind == "path":
            change = Change(place.field, "set", found)
            yield Fix(f"take {found!r}, which is there", (change,))
        else:
            yield Fix(f"take {found!r}, which is there, in place of {place.item!r}")


def _close_nested(match: re.Match[str], where: str) -> Iterator[Fix]:
    """Name a file that is there in a line of a file of requirements."""
    if said := re.search(r"there is no file '([^']+)'", match.string[match.start() :]):
        for found in _near(Path(said[1])):
            yield Fix(f"name {found!r}, which is there, in {where}, in place of {said[1]!r}")
            return
        yield Fix(f"put the file at {said[1]!r}, or leave {where} out")


def below_here(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Write an absolute path from the current folder on, where it leads there."""
    path = Path(place.item or "")
    here = Path.cwd()
    if path.is_absolute() and path.is_relative_to(here) and path != here:
        yield instead(place, path.relative_to(here).as_posix())


def exported(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Make a file of requirements of what is none."""
    name = Path(place.item or "").name
    if command := _EXPORTS.get(name):
        yield Fix("make a file of requirements of it, and set requirements to that", (), command)


def _near(path: Path) -> list[str]:
    """Find what is there and has a name like this, in its folder or one below."""
    folder = path.parent
    if folder.is_dir():
        names = [one.name for one in folder.iterdir() if not one.name.startswith(".")]
        if found := close(path.name, names, most=1):
            return [(folder / found[0]).as_posix()]
        stems = {Path(name).stem: name for name in names}
        if found := close(path.stem, stems, most=1):
            return [(folder / stems[found[0]]).as_posix()]
        begins = sorted(name for name in names if name.startswith(path.stem[:4]) and path.stem[:4])
        if begins:
            return [(folder / begins[0]).as_posix()]
    below = find_below(path.name) if path.name else None
    return [below] if below else []


def close_certificate(_view: View, match: re.Match[str], _p: Place, _ask: Ask) -> Iterator[Fix]:
    """Name a file that is there, in the file of the registries."""
    for found in _near(Path(match["what"])):
        yield Fix(f"write {found!r} in place of {match['what']!r} in the file of registry_config")
        return
    yield Fix(f"put the certificate at {match['what']!r}")


def registries_form(_view: View, _match: re.Match[str], _p: Place, _ask: Ask) -> Iterator[Fix]:
    """Show the form."""
    yield Fix(
        "write the file in this form",
        command='{"registries": [{"name": "HOST:PORT", "ca": "ca.pem"}]}',
    )


def meant_value(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the value that was probably meant."""
    meant = match["meant"]
    if place.field == "builder_options" and place.item != "installer":
        value = view.spec.builder_options[place.item]
        renamed = (
            Change(place.field, "remove", None, place.item),
            Change(place.field, "replace", value, meant),
        )
        yield Fix(f"write {meant!r} in place of {place.item!r}", renamed)
    elif place.field == "builder_options":
        yield Fix(f"take {meant!r}", (Change(place.field, "replace", meant, "installer"),))
    elif place.at is not None:
        yield instead(place, meant)


def option_elsewhere(view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Put an option where options go, and a file of requirements where that goes."""
    if place.item is not None and (
        named := re.match(r"(?:-r|--requirement)[\s=]*(\S+)$", place.item)
    ):
        yield from file_elsewhere(view, place, named[1])
    elif place.item is not None and place.at is not None and not re.match("-e|--ed", place.item):
        yield Fix(
            f"move {place.item!r} to pip_extra_args",
            (
                Change(place.field, "remove", None, place.at),
                Change("pip_extra_args", "add", place.item),
            ),
        )


def file_elsewhere(view: View, place: Place, path: str) -> Iterator[Fix]:
    """Name a file of requirements that stands among the packages in the field for one."""
    if view.spec.requirements or place.at is None or not Path(path).is_file():
        return
    changes = (
        Change(place.field, "remove", None, place.at),
        Change("requirements", "set", path),
    )
    yield Fix(f"set requirements to {path!r}, and leave {place.item!r} out", changes)


def meant_requirement(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take the requirement, or those, that an item was meant to be."""
    if place.item is None or (place.at is None and place.line is None):
        return
    meant = requirements_meant(place.item)
    if len(meant) == 1:
        yield instead(place, meant[0])
    elif meant and place.at is not None:
        rest = tuple(Change(place.field, "add", one) for one in meant[1:])
        changes = (Change(place.field, "replace", meant[0], place.at), *rest)
        named = " and ".join(map(repr, meant))
        yield Fix(f"take {named} in place of {place.item!r}", changes)
    yield without(place)


def plain_value(view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take what is left of a value without what does not belong there."""
    item = place.item or ""
    field = BY_NAME.get(place.field)
    if field is None or not isinstance(place.at, int):
        yield from _plain_setting(view, place)
        return
    stripped = re.split(r"[\s;,|&]", item.strip(), maxsplit=1)[0].lower()
    works = bool(stripped) and stripped != item and not any(field.check(place.field, [stripped]))
    if works and place.field in ("apt_packages", "conda_packages"):
        yield instead(place, stripped)
    yield from drop_item(view, _match, place, _ask)


def _plain_setting(view: View, place: Place) -> Iterator[Fix]:
    """Take a value, or the name of a variable, as close as can be to what stands there."""
    if place.field == "builder_options" and isinstance(place.at, str):
        change = Change(place.field, "remove", None, place.at)
        yield Fix(f"leave {place.at!r} out", (change,))
    elif place.field == "python_exec":
        yield Fix("leave python_exec out", (Change("python_exec", "set", None),))
    elif place.field == "env" and isinstance(place.at, str):
        if not isinstance(value := view.spec.env[place.at], str):
            change = Change("env", "replace", _as_text(value), place.at)
            yield Fix(f"take {_as_text(value)!r}, as text", (change,))
            return
        name = re.sub(r"\W", "_", place.at, flags=re.ASCII)
        changes = (
            Change("env", "remove", None, place.at),
            Change("env", "replace", view.spec.env[place.at], name),
        )
        if re.match(r"[A-Za-z_]", name) and name not in view.spec.env:
            yield Fix(f"name the variable {name!r}", changes)
    elif place.field in _PLAIN and isinstance(value := getattr(view.spec, place.field), str):
        plain = _PLAIN[place.field](value)
        if plain and plain != value and not any(BY_NAME[place.field].check(place.field, plain)):
            yield Fix(f"take {plain!r}", (Change(place.field, "set", plain),))


def _as_text(value: object) -> str:
    """Give a value as a shell would have it: None is nothing, True is true."""
    return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

"""What can be done about a value that is refused before anything runs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.diagnosis.fixes.common import close, drop_item, find_below, instead
from envd_magic.diagnosis.model import Change, Fix
from envd_magic.spec.fields import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View

__all__ = ["drop_item"]

_PLAIN: dict[str, Callable[[str], str]] = {
    "base_image": lambda value: value.strip().lower(),
    "python_version": lambda value: re.sub(r"[\s,_-]+", ".", value.strip()),
    "platform": lambda value: value.strip().lower(),
}


def plain_name(view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take a name that is one, as close as can be."""
    name = re.sub(r"[^a-z0-9]+", "-", str(view.spec.name).lower()).strip("-")
    if name:
        yield Fix(f"take the name {name!r}", (Change("name", "set", name),))


def close_path(view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Take a path that is there."""
    value = getattr(view.spec, place.field, None)
    path = Path(place.item or (str(value) if value else ""))
    if path.is_absolute() and not path.parent.is_dir():
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
    """Put an option where options go."""
    if place.item is not None and place.at is not None:
        yield Fix(
            f"move {place.item!r} to pip_extra_args",
            (
                Change(place.field, "remove", None, place.at),
                Change("pip_extra_args", "add", place.item),
            ),
        )
    del view


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
    if place.field == "env" and isinstance(place.at, str):
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

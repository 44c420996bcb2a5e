"""Fixes of which every kind has some."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.diagnosis.model import Change, Edit, Fix
from envd_magic.spec.reading import read_file

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable, Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View

# How alike names are that may stand for each other: of a short one, less is enough.
_ALIKE, _ALIKE_SHORT, _SHORT = 0.7, 0.6, 4


def find_below(name: str) -> str | None:
    """Find a file by its name one or two folders below the current one."""
    for depth in ("*", "*/*"):
        for folder in sorted(Path().glob(depth)):
            if not folder.name.startswith(".") and (folder / name).is_file():
                return (folder / name).as_posix()
    return None


def close(name: str, known: Iterable[str], most: int = 2, alike: float | None = None) -> list[str]:
    """Give the known names that were probably meant, the closest first."""
    plain: dict[str, str] = {}
    for one in known:
        plain.setdefault(_plain(one), one)
    wanted = _plain(name)
    if wanted in plain:
        return [plain[wanted]] if plain[wanted] != name else []
    alike = alike or (_ALIKE_SHORT if len(wanted) <= _SHORT else _ALIKE)
    found = difflib.get_close_matches(wanted, plain, n=most + 3, cutoff=alike)
    # Letters in another order make a mistake that hides nothing else.
    turned = [one for one in found if sorted(one) == sorted(wanted)]
    return [plain[one] for one in (turned or found)[:most]]


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "").replace(".", "")


def instead(place: Place, new: str, why: str = "") -> Fix:
    """Put something in an item's place; in a file, that is the user's to do."""
    if place.at is None:
        where = place.line or "the file"
        text = f"write {new!r} in place of {place.item!r} in {where}{why}"
        return Fix(text, edits=_edits(place, new))
    change = Change(place.field, "replace", new, place.at)
    return Fix(f"take {new!r} in place of {place.item!r}{why}", (change,))


def without(place: Place, why: str = "") -> Fix:
    """Leave an item out."""
    if place.at is None:
        text = f"leave {place.item!r} out of {place.line or 'the file'}{why}"
        return Fix(text, edits=_edits(place))
    return Fix(f"leave {place.item!r} out{why}", (Change(place.field, "remove", None, place.at),))


def _edits(place: Place, new: str = "") -> tuple[Edit, ...]:
    """Give the change of a file's line as it is now; none where the line does not show it."""
    line = place.line
    if line is None:
        return ()
    try:
        lines = read_file(line.path).decode("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return ()
    first = last = line.number - 1
    while last + 1 < len(lines) and lines[last].endswith("\\"):
        last += 1
    old = tuple(lines[first : last + 1])
    # What a hash is of is not known for anything else.
    if not old or line.text not in old[0] or (new and "--hash" in "".join(old)):
        return ()
    if not new:
        return (Edit(line.path, line.number, old, ()),)
    return (Edit(line.path, line.number, old[:1], (old[0].replace(line.text, new, 1),)),)


def drop_item(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Leave the item out."""
    if place.item is not None and place.sure:
        yield without(place)


def add_debian(packages: Iterable[str], why: str = "") -> Fix:
    """Install Debian packages before."""
    names = list(dict.fromkeys(packages))
    changes = tuple(Change("apt_packages", "add", name) for name in names)
    return Fix(f"add {' and '.join(names)} to apt_packages{why}", changes)

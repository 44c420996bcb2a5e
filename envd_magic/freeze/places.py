"""Where modules are that no distribution lists: found, and not imported."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_INSTALLED = ("site-packages", "dist-packages")


def is_beside(module: str) -> bool:
    """Is a module a file or a folder of the current folder, which is a notebook's own?"""
    return (
        Path(f"{module}.py").is_file()
        or Path(module, "__init__.py").is_file()
        or (Path(module).is_dir() and any(Path(module).glob("*.py")))
    )


def is_outside(module: str) -> bool:
    """Does a module come from a folder on Python's path that is not for what is installed?"""
    return any(not _is_installed(place) for place in _places(module))


def owner_by_folder(module: str, folders: Mapping[str, Path]) -> str | None:
    """Give the distribution whose folder a module is in, as one that is editable; None if none.

    Parameters
    ----------
    module
        With dots. What a namespace package has in common with others is nobody's.
    folders
        Folders by the names of their distributions.
    """
    first, _, rest = module.partition(".")
    files = [file for place in _places(first) if (file := _file(place, rest)) is not None]
    within = [
        (len(folder.parts), name)
        for name, folder in folders.items()
        if any(file.is_relative_to(folder) and not _is_installed(file) for file in files)
    ]
    # Of folders in one another, the innermost.
    return max(within)[1] if within else None


def _is_installed(place: Path) -> bool:
    # An environment may lie in the folder of the project itself.
    return not set(_INSTALLED).isdisjoint(place.parts)


def _file(place: Path, rest: str) -> Path | None:
    """Give the file of a module that is found in a place, None if it is not there."""
    if place.is_file():
        return place if not rest or place.name == "__init__.py" else None
    inner = place.joinpath(*rest.split(".")) if rest else place
    if inner.is_dir():
        # A part of a namespace package has none; its own modules tell whose it is.
        return inner if (inner / "__init__.py").is_file() or rest else None
    return next(inner.parent.glob(f"{inner.name}.*"), None) if inner.parent.is_dir() else None


def is_importable(module: str) -> bool:
    """Can Python find it?"""
    return bool(_places(module))


def is_found(module: str) -> bool:
    """Is there a file or a folder of a module, which may have dots in its name?"""
    first, _, rest = module.partition(".")
    return any(_file(place, rest) is not None for place in _places(first))


def _places(module: str) -> list[Path]:
    return [Path(place).resolve() for place in _named(module) if place and Path(place).exists()]


def _named(module: str) -> Iterable[str | None]:
    loaded = sys.modules.get(module)
    if loaded is not None:
        return [getattr(loaded, "__file__", None) or "", *list(getattr(loaded, "__path__", ()))]
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError, AttributeError):
        return ()
    return [] if found is None else [found.origin, *(found.submodule_search_locations or ())]

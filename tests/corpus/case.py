"""What fails, and why: a case of the corpus."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flytekit import ImageSpec

    from .bench import Bench

SETS = ("first", "holdout")
RECORDINGS = Path(__file__).parent / "recordings"
_found: dict[str, list[Case]] = {}


@dataclass(frozen=True)
class Case:
    """A build that fails.

    Parameters
    ----------
    name
        Of its recording.
    kind
        What kind of failure it is.
    field
        The ImageSpec field at fault, "" if none is.
    item
        The item of that field, as it stands there; None if the whole field is meant.
    make
        Sets up what it needs, gives the spec, and tidies up.
    confined
        True for a process that may not read what belongs to others, as root else may.
    """

    name: str
    kind: str
    field: str
    item: str | None
    make: Callable[[Bench], Iterator[ImageSpec]]
    confined: bool = False

    @property
    def holdout(self) -> bool:
        """Is it one that nobody reads?"""
        return self.make.__module__.split(".")[-2] == "holdout"

    @property
    def path(self) -> Path:
        """Where its recording is."""
        return RECORDINGS / SETS[self.holdout] / f"{self.name}.jsonl"


def case(
    kind: str, field: str, item: str | None = None, *, confined: bool = False
) -> Callable[[Callable[[Bench], Iterator[ImageSpec]]], Case]:
    """Make a case of a function, under the function's name."""

    def made(make: Callable[[Bench], Iterator[ImageSpec]]) -> Case:
        one = Case(make.__name__, kind, field, item, make, confined)
        _found.setdefault(make.__module__, []).append(one)
        return one

    return made


def cases(which: str) -> list[Case]:
    """Give the cases of a set, by their names."""
    package = importlib.import_module(f"{__package__}.{which}")
    found: list[Case] = []
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
        found += _found.get(module.name, [])
    return sorted(found, key=lambda one: one.name)

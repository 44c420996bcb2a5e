"""What a verification came to: what was asked, what is there, and whether the two agree."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from envd_magic.spec.secrets import Secrets

OK, DIFFERS, UNCHECKED = "ok", "differs", "not checked"
#: The one that matters most first.
OUTCOMES = (DIFFERS, UNCHECKED, OK)
_SEVERAL = {DIFFERS: "differ"}
_MOST_TOLD = 20


@dataclass(frozen=True)
class Item:
    """One thing that was asked for.

    Parameters
    ----------
    field
        The ImageSpec field; "notebook" for what only the notebook's code asks for.
    item
        Which of the field's: a requirement, a variable, a file.
    asked
        What was asked for, as people read it.
    found
        What is there, "" if nothing was looked at.
    outcome
        "ok", "differs" or "not checked".
    why
        Why it is not checked, or how it can have come about.
    platform
        Of which image, where a spec has several platforms.
    """

    field: str
    item: str
    asked: str
    found: str
    outcome: str = OK
    why: str = ""
    platform: str = ""

    def __str__(self) -> str:
        where = f"{self.field}[{self.item!r}]" if self.item else self.field
        where = f"{self.platform}: {where}" if self.platform else where
        found = f"found {self.found}" if self.found else self.outcome
        why = f" ({self.why})" if self.why else ""
        return f"{where}: asked {self.asked}, {found}{why}"


@dataclass(frozen=True)
class Layer:
    """What a part of the spec adds to the image's size.

    Parameters
    ----------
    field
        The ImageSpec field that it comes from, "" if that is not known.
    size
        Bytes.
    platform
        Of which image, where a spec has several platforms.
    """

    field: str
    size: int
    platform: str = ""


@dataclass(frozen=True)
class Verification:
    """What a verification came to.

    Parameters
    ----------
    image
        Name of the image.
    items
        All that was asked for, in the order of the fields.
    layers
        The image's layers, the lowest first.
    python
        The image's Python, as "3.11.2"; "" if it has none, or could not be asked.
    size
        Bytes, all layers.
    seconds
        How long it took.
    search_seconds
        How long the search for secrets took, beside the rest; 0 if there was nothing to look for.
    """

    image: str
    items: tuple[Item, ...]
    layers: tuple[Layer, ...] = ()
    python: str = ""
    size: int = 0
    seconds: float = 0.0
    search_seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Does nothing differ?"""
        return not self.differing

    @property
    def differing(self) -> tuple[Item, ...]:
        """What differs."""
        return self.of(DIFFERS)

    def of(self, outcome: str) -> tuple[Item, ...]:
        """Give the items of one outcome."""
        return tuple(item for item in self.items if item.outcome == outcome)

    def counts(self) -> str:
        """Count the outcomes, in words: ``"2 not checked, 31 ok"``."""
        told = [(outcome, len(self.of(outcome))) for outcome in OUTCOMES]
        words = [
            f"{count} {outcome if count == 1 else _SEVERAL.get(outcome, outcome)}"
            for outcome, count in told
            if count
        ]
        return ", ".join(words) or "nothing"

    def sizes(self) -> dict[str, int]:
        """Give the size of each field's layers, the lowest first; "" has what none is known of."""
        found: dict[str, int] = {}
        for layer in self.layers:
            found[layer.field] = found.get(layer.field, 0) + layer.size
        return {field: size for field, size in found.items() if size}

    def to_json(self) -> dict[str, Any]:
        """Give it as values of JSON."""
        return {"good": self.good, **dataclasses.asdict(self), "sizes": self.sizes()}

    def __str__(self) -> str:
        if self.good:
            return f"{self.image}: {self.counts()}"
        told = [f"    {item}" for item in self.differing[:_MOST_TOLD]]
        if len(self.differing) > _MOST_TOLD:
            told.append(f"    … and {len(self.differing) - _MOST_TOLD} more")
        return "\n".join([f"{self.image} differs from what was asked for", *told])


def from_json(told: dict[str, Any]) -> Verification:
    """Give what :meth:`Verification.to_json` was given."""
    values = {name: value for name, value in told.items() if name not in ("good", "sizes")}
    values["items"] = tuple(Item(**item) for item in values.get("items", ()))
    values["layers"] = tuple(Layer(**layer) for layer in values.get("layers", ()))
    return Verification(**values)


def masked(items: Iterable[Item], secrets: Secrets) -> Iterator[Item]:
    """Take secret values out of all that is told of items."""
    for item in items:
        texts = ("item", "asked", "found", "why")
        yield dataclasses.replace(
            item, **{name: secrets.mask(getattr(item, name)) for name in texts}
        )

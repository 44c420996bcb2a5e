"""One ImageSpec or several: what a cell made, with its shape kept."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from flytekit import ImageSpec


@dataclass(frozen=True)
class Specs:
    """One ImageSpec, a list or a mapping of them.

    Parameters
    ----------
    items
        Each spec with what tells it from the others: "" where there is one, "[0]", "['a']".
    keys
        None for one spec, "list" for a list, else the keys of a mapping.
    """

    items: tuple[tuple[str, ImageSpec], ...]
    keys: tuple[Any, ...] | str | None = None

    @property
    def value(self) -> ImageSpec | list[ImageSpec] | dict[Any, ImageSpec]:
        """The spec, the list or the mapping."""
        specs = [spec for _, spec in self.items]
        if self.keys is None:
            return specs[0]
        if isinstance(self.keys, str):
            return specs
        return dict(zip(self.keys, specs, strict=True))

    def only(self, numbers: Container[int]) -> Any:
        """Give :attr:`value` with some of the specs alone.

        A list has None in the others' places, so that each stays where it is.
        """
        if isinstance(self.keys, tuple):
            pairs = enumerate(zip(self.keys, self.items, strict=True))
            return {key: spec for number, (key, (_, spec)) in pairs if number in numbers}
        found = [spec if n in numbers else None for n, (_, spec) in enumerate(self.items)]
        return found[0] if self.keys is None else found

    def mapped(self, change: Callable[[ImageSpec], ImageSpec]) -> Specs:
        """Give the same shape with every spec changed."""
        return replace(self, items=tuple((label, change(spec)) for label, spec in self.items))


def gather(value: Any) -> Specs | None:
    """Give what is in a value, or None if it is neither a spec nor a list or mapping of specs."""
    from flytekit import ImageSpec

    if isinstance(value, ImageSpec):
        return Specs((("", value),))
    pairs = _labelled(value)
    if not pairs or not all(isinstance(spec, ImageSpec) for _, spec in pairs):
        return None
    return Specs(pairs, tuple(value) if isinstance(value, dict) else "list")


def what_it_is(value: Any) -> str:
    """Say what a value is that :func:`gather` finds no specs in."""
    from flytekit import ImageSpec

    if isinstance(value, type):
        return f"the class {value.__name__} itself; to make one, call it: ImageSpec(…)"
    kind = type(value).__name__
    pairs = _labelled(value)
    if pairs == ():
        return f"an empty {kind}, and no ImageSpec"
    for label, item in pairs or ():
        if not isinstance(item, ImageSpec):
            return f"a {kind} with something else than ImageSpecs: {label} is {type(item).__name__}"
    return f"{kind}, not an ImageSpec or a list or dict of them"


def _labelled(value: Any) -> tuple[tuple[str, Any], ...] | None:
    """Give the items of a list or a mapping, each with what tells it from the others."""
    if isinstance(value, (list, tuple)):
        return tuple((f"[{number}]", item) for number, item in enumerate(value))
    if isinstance(value, dict):
        return tuple((f"[{key!r}]", item) for key, item in value.items())
    return None

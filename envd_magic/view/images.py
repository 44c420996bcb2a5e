"""Tables of images and builds, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.view.cards import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envd_magic.engine.catalog import BuiltImage

_HOUR = 24


def table(rows: Sequence[Sequence[str]]) -> str:
    """Give rows, the first being the heads, with their columns in line."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def images_text(images: Sequence[BuiltImage], name: str | None = None) -> str:
    """List images that were built here, with their sizes; `name` is what was asked for."""
    if not images:
        return f"No image {f'called {name} ' if name else ''}in the engine was built here."
    rows = [["image", "id", "size", "age"]]
    for image in images:
        name = " ".join(image.names) or "<none> (its name went to a newer build)"
        rows.append(
            [name, image.id.removeprefix("sha256:")[:12], size(image.size), age(image.days)]
        )
    total = size(sum(image.size for image in images))
    if len(images) == 1:
        return table(rows)
    return f"{table(rows)}\n{len(images)} images, {total} in all (shared layers counted each time)"


def age(days: float) -> str:
    """Days in words."""
    if days >= 2:  # noqa: PLR2004
        return f"{days:.0f} days"
    hours = days * _HOUR
    return f"{hours:.0f} h" if hours >= 1 else f"{hours * 60:.0f} min"

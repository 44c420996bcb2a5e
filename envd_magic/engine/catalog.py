"""The images that were built here: what there is, and what goes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envd_magic.engine.client import Engine, explained
from envd_magic.engine.images import BUILDS, RECIPE_LABEL
from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

_DAY = 86_400
_IN_USE = 409
# How engines name what has no name.
_NONE = ["<none>:<none>"]


@dataclass(frozen=True)
class BuiltImage:
    """One image that was built here.

    Parameters
    ----------
    id
        ``sha256:…`` of its configuration.
    names
        Names with tags; none if a newer image took its name.
    size
        Bytes, all layers.
    created
        Seconds since 1970.
    """

    id: str
    names: tuple[str, ...]
    size: int
    created: float

    @property
    def repository(self) -> str:
        """Its name without the tag, "" if it has none."""
        return self.names[0].rpartition(":")[0] if self.names else ""

    @property
    def days(self) -> float:
        """How old it is."""
        return (time.time() - self.created) / _DAY


def built_images(engine: Engine, name: str | None = None) -> list[BuiltImage]:
    """List what was built here, the newest first.

    Parameters
    ----------
    engine
        Where to look.
    name
        Take images of this name only, given with its registry or without; with a tag or without.
    """
    with explained("list the images"):
        found = engine.api.images(filters={"label": RECIPE_LABEL})
    images = [
        BuiltImage(item["Id"], tuple(filter(_is_final, tags)), item["Size"], item["Created"])
        for item in found
        # What has private names alone is a build's that has not ended.
        if not (tags := item.get("RepoTags") or ()) or any(map(_is_final, tags)) or tags == _NONE
    ]
    if name is not None:
        images = [image for image in images if any(_is_of(tag, name) for tag in image.names)]
    return sorted(images, key=lambda image: image.created, reverse=True)


def _is_final(tag: str) -> bool:
    return not tag.startswith(f"{BUILDS}:") and tag not in _NONE


def _is_of(tag: str, name: str) -> bool:
    repository = tag.rpartition(":")[0]
    return name in (tag, repository, repository.rpartition("/")[2], tag.rpartition("/")[2])


def outdated(
    images: Iterable[BuiltImage], keep: int | None = None, days: float | None = None
) -> list[BuiltImage]:
    """Choose the images to remove, from a list with the newest first.

    Parameters
    ----------
    images
        What there is.
    keep
        Of each name so many stay, the newest; what has no name any more goes.
    days
        What is not older than this stays.
    """
    kept: dict[str, int] = {}
    chosen = []
    for image in images:
        kept[image.repository] = kept.get(image.repository, 0) + 1
        if keep is not None and image.names and kept[image.repository] <= keep:
            continue
        if days is not None and image.days <= days:
            continue
        chosen.append(image)
    return chosen


def remove(engine: Engine, image: BuiltImage) -> None:
    """Remove an image with all its names.

    Raises
    ------
    EngineError
        If a container uses it, or the engine refuses.
    """
    from docker.errors import APIError, NotFound

    for name in image.names or (image.id,):
        with explained(f"remove {name}"):
            try:
                engine.api.remove_image(name)
            except NotFound:
                continue
            except APIError as error:
                if error.status_code == _IN_USE:
                    raise EngineError(
                        f"Cannot remove {name}: a container or another image needs it "
                        f"({error.explanation})"
                    ) from error
                raise

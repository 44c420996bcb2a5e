"""What each image has installed: for builds that only add to it, and to tell what changed."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envd_magic.engine.images import repository
from envd_magic.paths import cache_folder, keep
from envd_magic.recipe.asked import Asked

if TYPE_CHECKING:
    from pathlib import Path

#: How often is added to an installation until a clean one is made: an image has 127 layers at most.
MOST_INCREMENTS = 20


@dataclass(frozen=True)
class Installed:
    """What the last build of an image had installed.

    Parameters
    ----------
    asked
        What it was asked for.
    kept
        Name of what it installed, in the engine; "" if it installed nothing, or keeps nothing.
    increments
        How often it was added to.
    """

    asked: Asked
    kept: str = ""
    increments: int = 0


class InstalledStore:
    """Remembers one :class:`Installed` for each image and platform.

    Parameters
    ----------
    image
        Full name; the tag does not count, as it changes with every edit.
    platform
        As "linux/amd64".
    """

    def __init__(self, image: str, platform: str) -> None:
        name = hashlib.sha256(f"{repository(image)} {platform}".encode()).hexdigest()[:32]
        self._path: Path = cache_folder() / "installed" / f"{name}.json"

    def read(self) -> Installed | None:
        """Give what is remembered; None if nothing is, or it was written by another version."""
        try:
            kept = json.loads(self._path.read_text(encoding="utf-8"))
            return Installed(
                Asked.from_json(kept["asked"]), str(kept["kept"]), int(kept["increments"])
            )
        except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
            return None

    def write(self, installed: Installed) -> None:
        """Remember it, whole or not at all: several builds may do so at once."""
        kept = {
            "asked": installed.asked.to_json(),
            "kept": installed.kept,
            "increments": installed.increments,
        }
        keep(self._path, json.dumps(kept))

"""What indexes and registries know: who may be asked, and for how long."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Seconds that all questions of one failure may take.
PATIENCE = 6.0


@dataclass(frozen=True)
class Offer:
    """One file of a package in an index.

    Parameters
    ----------
    name
        Of the file.
    python
        Which Python it asks for, "" for any.
    """

    name: str
    python: str = ""


class Ask:
    """Knows nothing: what is asked where nobody may be asked.

    None means that it is not known; an empty sequence, that there is none.
    """

    def offers(self, index: str, package: str) -> Sequence[Offer] | None:
        """Give the files that an index has of a package."""
        del index, package
        return None

    def denies(self, index: str, package: str) -> bool:
        """Say whether an index wants another login for a package's page."""
        del index, package
        return False

    def breaks(self, index: str, package: str) -> int:
        """Give the status of an error that an index answers with itself (500 or more), or 0."""
        del index, package
        return 0

    def is_silent(self, index: str) -> bool:
        """Say whether an index was asked and did not answer."""
        del index
        return False

    def is_index(self, index: str) -> bool | None:
        """Say whether there is a list of packages where an index is to be."""
        del index
        return None

    def packages(self, index: str) -> Sequence[str]:
        """Give the names of an index's packages."""
        del index
        return ()

    def default_index(self) -> str:
        """Give the URL of the index that is used where nobody names one."""
        return ""

    def tags(self, image: str) -> Sequence[str]:
        """Give full names of images in the repository of an image, with their tags."""
        del image
        return ()

    def repositories(self, registry: str) -> Sequence[str]:
        """Give the names of a registry's repositories."""
        del registry
        return ()

    def images(self) -> Sequence[str]:
        """Give the names of the images in the engine."""
        return ()

    def debian(self) -> Sequence[str]:
        """Give the names of Debian's packages."""
        return ()


class Budget:
    """The time that is left for questions."""

    def __init__(self, seconds: float = PATIENCE) -> None:
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds; 0 if there are none."""
        return max(0.0, self._end - time.monotonic())

"""The search for a spec's secrets in an image: beside all else, on a thread of its own."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from envd_magic.engine.client import Engine
from envd_magic.errors import EngineError
from envd_magic.verification.result import DIFFERS, OK, UNCHECKED, Item
from envd_magic.verification.saved import Found, search_layers
from envd_magic.verification.search import needles

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from envd_magic.engine.address import Address
    from envd_magic.engine.images import ImageInfo
    from envd_magic.verification.places import Place
    from envd_magic.verification.sought import Sought

_NOWHERE = "in no layer, label, history entry or setting"
_ASKED = "in the image's variables alone"
_MOST_TOLD = 12
_MOMENT = 0.1
# Seconds that a search which is given up gets to end.
_PATIENCE = 2.0


class _GivenUp(Exception):  # noqa: N818 - it is no error
    """Nobody waits for the search any more."""


class Search:
    """One search through the layers of an image.

    Parameters
    ----------
    image
        What is looked through.
    secrets
        What is looked for.
    base_layers
        How many of its layers are the base image's: what is in those is nobody's of this spec.
    address
        Of the engine that has it.
    """

    def __init__(
        self,
        image: ImageInfo,
        secrets: Sequence[Sought],
        base_layers: int,
        address: Address | None = None,
    ) -> None:
        self._image = image
        self._base_layers = base_layers
        self._wanted = needles([one if not one.why else _nothing(one) for one in secrets])
        self._engine = Engine(address)
        self._given_up = threading.Event()
        self._ended = threading.Event()
        self.found: list[Found] = []
        self.unread: list[str] = []
        self.error: Exception | None = None
        self.seconds = 0.0

    def start(self) -> None:
        """Begin, if there is anything to look for."""
        if self._wanted:
            threading.Thread(target=self._run, name="envd_magic-search", daemon=True).start()
        else:
            self._ended.set()

    def _run(self) -> None:
        began = time.monotonic()
        known = self._image.layers[: self._base_layers]
        try:
            found, self.unread = search_layers(
                self._engine, self._image.id, self._wanted, known, self._check
            )
            self.found = [one for one in found if not 0 <= one.number < self._base_layers]
        except _GivenUp:
            pass
        except Exception as error:  # noqa: BLE001 - told where the items are made
            self.error = error
        finally:
            self.seconds = time.monotonic() - began
            self._ended.set()
            self._engine.close()

    def _check(self) -> None:
        if self._given_up.is_set():
            raise _GivenUp

    def wait(self, tick: Callable[[], None]) -> None:
        """Wait for the end.

        Parameters
        ----------
        tick
            Is called all the time, and raises what ends the waiting.
        """
        while not self._ended.wait(_MOMENT):
            tick()

    def give_up(self) -> None:
        """End it, at once if it waits for the engine."""
        self._given_up.set()
        self._engine.abort()
        self._ended.wait(_PATIENCE)


def _nothing(one: Sought) -> Sought:
    """Keep a secret's number, and look for nothing."""
    return replace(one, values=(), raw=())


def leak_items(
    secrets: Sequence[Sought], search: Search, texts: Sequence[Place], names: Sequence[str]
) -> Iterator[Item]:
    """Tell where secrets are that may not be there.

    Parameters
    ----------
    secrets
        All.
    search
        Has ended.
    texts
        What the image has beside files.
    names
        Of the layers: their fields, "" where that is not known.
    """
    for number, one in enumerate(secrets):
        asked = _ASKED if one.variable else _NOWHERE
        item = f"secret of {one.item}" if one.variable else one.item
        if one.why:
            yield Item(one.field, item, asked, "", UNCHECKED, one.why)
            continue
        told = [place.name for place in texts if one.is_in(place.text) and not place.may_hold(one)]
        told += [text for found in search.found for text in _in_layer(found, number, names)]
        if told:
            more = f", and {len(told) - _MOST_TOLD} more" if len(told) > _MOST_TOLD else ""
            yield Item(one.field, item, asked, f"in {'; '.join(told[:_MOST_TOLD])}{more}", DIFFERS)
        elif why := _incomplete(search):
            yield Item(one.field, item, asked, "", UNCHECKED, why)
        else:
            yield Item(one.field, item, asked, asked, OK, _left_out(search))


def _in_layer(found: Found, number: int, names: Sequence[str]) -> Iterator[str]:
    where = "a layer"
    if 0 <= found.number < len(names):
        field = f" ({names[found.number]})" if names[found.number] else ""
        where = f"layer {found.number + 1} of {len(names)}{field}"
    for path in found.hits.paths.get(number, ()):
        yield f"{where}: /{path}"


def _incomplete(search: Search) -> str:
    if search.error is not None:
        if isinstance(search.error, EngineError):
            return str(search.error)
        return f"the search failed: {type(search.error).__name__}: {search.error}"
    return "; ".join(dict.fromkeys(search.unread))


def _left_out(search: Search) -> str:
    large = [path for found in search.found for path in found.hits.unopened]
    return f"packed files that were too large to open: {', '.join(large[:3])}" if large else ""

"""Images of several builds at once, taken by the engine together.

An engine starts a program of its own to read an archive, which takes as long for ten images as for
one. So those that have only this left wait a moment for each other, and others build meanwhile.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, wait
from functools import partial
from typing import TYPE_CHECKING

from envd_magic.engine.finishing import load_alone
from envd_magic.engine.loading import load
from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable

    from envd_magic.engine.address import Address
    from envd_magic.engine.client import Engine
    from envd_magic.engine.finishing import Take
    from envd_magic.engine.loading import Loadable
    from envd_magic.pipeline.slots import Slots

# Images that an archive has at most, and seconds that the first of them waits for the others.
_MOST, _PATIENCE = 8, 1.0
# Seconds between two looks whether the build is to stop.
_MOMENT = 0.1


class Together:
    """Gathers the images of builds that run in slots.

    Parameters
    ----------
    slots
        Where they run. A build that waits for others has left its slot.
    """

    def __init__(self, slots: Slots) -> None:
        self.slots = slots
        self._groups: dict[Address, list[tuple[Loadable, Future[bool]]]] = {}

    def take(self, engine: Engine, image: Loadable, check: Callable[[], None]) -> bool:
        """Let an engine take an image, with those of other builds; tell whether it has.

        Parameters
        ----------
        engine
            One that keeps layers.
        image
            The image.
        check
            Is called now and then; what it raises ends the waiting.

        Raises
        ------
        EngineError
            If the engine does not answer.
        """
        with self.slots.left():
            taken = _awaited(self._join(engine, image), check)
        # One that the engine refuses may keep it from taking others.
        return taken or load_alone(engine, image)

    def _join(self, engine: Engine, image: Loadable) -> Future[bool]:
        answer: Future[bool] = Future()
        # One of its own: a build that is stopped ends what it asks on the other.
        beside = engine.beside()
        address, changed = engine.address, self.slots.changed
        with changed:
            if address not in self._groups:
                threading.Thread(
                    target=self._serve,
                    args=(address, beside),
                    name="envd_magic-together",
                    daemon=True,
                ).start()
                self._groups[address] = []
            self._groups[address].append((image, answer))
            changed.notify_all()
        return answer

    def _serve(self, address: Address, engine: Engine) -> None:
        changed = self.slots.changed
        with changed:
            waiting = self._groups[address]
            changed.wait_for(lambda: self.slots.idle or len(waiting) >= _MOST, _PATIENCE)
            found = self._groups.pop(address)
        group = [one for one in found if one[1].set_running_or_notify_cancel()]
        taken: set[str] = set()
        try:
            if group:
                taken = load(engine, [image for image, _ in group])
        except EngineError:
            # Each build asks by itself then, and tells what it is answered.
            pass
        finally:
            for image, answer in group:
                answer.set_result(image.name in taken)
            engine.close()


def _awaited(answer: Future[bool], check: Callable[[], None]) -> bool:
    try:
        while not wait([answer], _MOMENT).done:
            check()
    except BaseException:
        # Who gives up has no use for it.
        answer.cancel()
        raise
    return answer.result()


def taker(together: Together | None, check: Callable[[], None]) -> Take:
    """Give what lets an engine take a build's image, with others where there are others.

    Parameters
    ----------
    together
        Where it meets them; None if the build is the only one.
    check
        As :meth:`Together.take` has it.
    """
    return load_alone if together is None else partial(together.take, check=check)

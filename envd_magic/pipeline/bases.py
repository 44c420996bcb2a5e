"""Private names of base images, one for all builds of this process that stand on the same image.

Builds of many images on one base would else each have the engine name it, and take the name away.
"""

from __future__ import annotations

import json
import os
import threading
from typing import TYPE_CHECKING

from envd_magic.engine import images
from envd_magic.engine.configs import SERVER
from envd_magic.owner import private_name

if TYPE_CHECKING:
    from collections.abc import MutableSequence

    from envd_magic.engine.client import Engine
    from envd_magic.pipeline.dependencies import Start


class BaseNames:
    """The names that are in use, and how many builds use each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: dict[str, str] = {}
        self._users: dict[str, int] = {}

    def take(
        self, engine: Engine, start: Start, private: MutableSequence[str], unheard: str = ""
    ) -> str:
        """Give the name of a base image, under which the engine has it and envd its settings.

        Parameters
        ----------
        engine
            Where it is.
        start
            The image.
        private
            Names to :meth:`release`, to which it is added before the engine hears of it.
        unheard
            As :meth:`envd_magic.engine.configs.ConfigServer.publish` has it; nobody shares it.

        Raises
        ------
        EngineError
            If the engine does not name it.
        """
        key = _key(engine, start, unheard)
        with self._lock:
            name = self._names.get(key)
            if name is not None:
                self._users[name] += 1
                private.append(name)
                return name
        name = SERVER.publish(start.settings, start.platform, private_name(), unheard)
        private.append(name)
        images.tag(engine, start.image.id, name)
        with self._lock:
            # Builds that begin together each have one; those that come later take the first.
            self._users[name] = 1
            self._names.setdefault(key, name)
        return name

    def release(self, name: str) -> bool:
        """Say that a build is done with a name; tell whether nobody else is using it."""
        with self._lock:
            left = self._users.get(name, 1) - 1
            if left:
                self._users[name] = left
                return False
            self._users.pop(name, None)
            self._names = {key: one for key, one in self._names.items() if one != name}
        SERVER.withdraw(name)
        return True


def _key(engine: Engine, start: Start, unheard: str) -> str:
    # A process that was forked has a server of its own.
    place = os.getpid(), engine.address.host
    return json.dumps(
        [*place, start.image.id, start.platform, start.settings, unheard], sort_keys=True
    )


#: The process's names.
BASES = BaseNames()

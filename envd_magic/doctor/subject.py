"""What is examined, and what several checks want to know of it: each is found out once."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from envd_magic.engine.client import Engine, explained
from envd_magic.envd.contexts import SANDBOX_REGISTRY, engine_address
from envd_magic.envd.home import open_home
from envd_magic.envd.program import find_envd
from envd_magic.errors import EnvdMagicError, SpecError
from envd_magic.spec.problems import Problem
from envd_magic.spec.reading import read_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flytekit import ImageSpec

    from envd_magic.engine.address import Address
    from envd_magic.envd.home import Home

Value = TypeVar("Value")

#: Seconds for one answer of an engine or a registry.
ANSWER = 8.0


@dataclass(frozen=True)
class Subject:
    """A spec that is to be built, and where.

    Parameters
    ----------
    spec
        None stands for flytekit's default image.
    context
        Name of an envd context, as for a build.
    folder
        Where paths in the spec are meant from.
    """

    spec: ImageSpec | None = None
    context: str | None = None
    folder: Path = field(default_factory=Path.cwd)

    @cached_property
    def asked(self) -> ImageSpec:
        """The spec, or flytekit's default."""
        from flytekit import ImageSpec

        return ImageSpec() if self.spec is None else self.spec

    @cached_property
    def lowest(self) -> ImageSpec:
        """The spec that starts from an image: where specs stand on each other, the lowest."""
        spec = self.asked
        while hasattr(spec.base_image, "base_image"):
            spec = spec.base_image
        return spec

    @property
    def platforms(self) -> list[str]:
        """Those that it is built for."""
        from envd_magic.spec.checks import split_platforms

        return split_platforms(self.asked.platform)

    def registry_config(self) -> bytes:
        """Give what the file of ``registry_config`` says.

        Raises
        ------
        SpecError
            If it cannot be read.
        """
        if not self.asked.registry_config:
            return b""
        path = self.folder / Path(self.asked.registry_config).expanduser()
        try:
            return read_file(path)
        except OSError as error:
            why = f"{path} cannot be read: {error.strerror or error}"
            raise SpecError(Problem("registry_config", why)) from error


class Facts(NamedTuple):
    """What an engine says of itself: `docker version` and `docker info`."""

    version: dict[str, Any]
    info: dict[str, Any]
    address: Address

    @property
    def is_local(self) -> bool:
        """Does it run on this machine, as far as its address tells?"""
        return not self.address.host or self.address.host.startswith("unix://")


class Once(Generic[Value]):
    """A value that the first who asks makes; others wait for it, or for why there is none.

    Parameters
    ----------
    make
        Makes it.
    """

    def __init__(self, make: Callable[[], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[Value] = []
        self._error: EnvdMagicError | None = None

    def get(self) -> Value:
        """Give it, or raise why there is none."""
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._made:
                try:
                    self._made.append(self._make())
                except EnvdMagicError as error:
                    self._error = error
                    raise
            return self._made[0]


class Machine:
    """The machine, its engines and its envd, as checks see them side by side.

    Parameters
    ----------
    subjects
        What is to be built.
    """

    def __init__(self, subjects: Sequence[Subject]) -> None:
        self.subjects = subjects
        self.program = Once(find_envd)
        self._facts = {one.context: Once(self._asker(one)) for one in subjects}
        self._homes = {self._key(one): Once(self._opener(one)) for one in subjects}
        self._engines: list[Engine] = []

    def home(self, subject: Subject) -> Home:
        """Give the envd home of a build.

        Raises
        ------
        EnvdMagicError
            If there is no envd, or no such context.
        """
        return self._homes[self._key(subject)].get()

    def facts(self, subject: Subject) -> Facts:
        """Give what the engine of a build says of itself.

        Raises
        ------
        EnvdMagicError
            If it does not answer, or the contexts that were added cannot be read.
        """
        return self._facts[subject.context].get()

    def engine(self, subject: Subject) -> Engine:
        """Give a connection for one check; it is closed when all are done."""
        engine = Engine(engine_address(subject.context), seconds=ANSWER)
        self._engines.append(engine)
        return engine

    def engine_if_there(self, subject: Subject) -> Engine | None:
        """Give a connection, None where no engine answers."""
        try:
            self.facts(subject)
        except EnvdMagicError:
            return None
        return self.engine(subject)

    def close(self) -> None:
        """Close all connections."""
        for engine in self._engines:
            engine.close()

    def _asker(self, subject: Subject) -> Callable[[], Facts]:
        def ask() -> Facts:
            engine = self.engine(subject)
            with explained("ask the engine what it is"):
                return Facts(engine.api.version(), engine.api.info(), engine.address)

        return ask

    def _key(self, subject: Subject) -> tuple[str, bool]:
        return subject.context or "", subject.asked.registry == SANDBOX_REGISTRY

    def _opener(self, subject: Subject) -> Callable[[], Home]:
        return lambda: open_home(self.program.get(), subject.context, subject.asked.registry)

"""The Docker engine: the connection, as docker's own command line would make it."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from envd_magic.engine.address import Address, find_address, unreachable
from envd_magic.engine.bridge import Bridge, ssh_bridge
from envd_magic.engine.passing import ENGINE_GONE, SILENT
from envd_magic.engine.plugs import Plugs
from envd_magic.engine.trust import with_advice
from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

# The longest that one answer of the engine may take, in seconds; pulls and builds answer in pieces.
_TIMEOUT = 120
#: The oldest API with the BuildKit that envd drives.
OLDEST_API = (1, 40)


class _Known(NamedTuple):
    """Who an engine is, and when it said so."""

    identity: str
    keeps_layers: bool
    when: float


# Engines at their addresses: to tell who it is, an engine asks programs of its own. Seconds that it
# holds for, since another one may come to be at the address.
_KNOWN: dict[Address, _Known] = {}
_HOLDS = 60.0
# Of an engine's driver, where containerd keeps the images.
_BY_CONTAINERD = ("driver-type", "io.containerd.snapshotter.v1")

# Seconds: clocks that are nearer are taken for one, since an engine tells whole seconds.
_APART = 2.0
# Bytes: a prune that took less took no step's result, but somebody's copies of build folders.
_SMALL = 1_000_000


class Engine:
    """A connection to the engine; it is made at the first use and closed with :meth:`close`.

    Parameters
    ----------
    address
        Where it is; None finds it as docker's command line does.
    seconds
        How long one answer may take.
    version
        Of the API that it is known to speak; "auto" asks it.
    """

    def __init__(
        self, address: Address | None = None, *, seconds: float = _TIMEOUT, version: str = "auto"
    ) -> None:
        self._seconds = seconds
        self._version = version
        self._client: Any = None
        self._itself: _Known | None = None
        self._address = address
        self._bridge: Bridge | None = None
        self._plugs = Plugs()

    @property
    def address(self) -> Address:
        """Where it is.

        Raises
        ------
        EngineError
            If that cannot be found out.
        """
        if self._address is None:
            self._address = find_address()
        return self._address

    def lead_to(self, address: Address | None) -> None:
        """Be another engine from now on; None leaves it as it is."""
        if address is not None:
            self.close()
            self._address, self._itself, self._version = address, None, "auto"

    @property
    def api(self) -> Any:
        """The low-level client of the docker SDK.

        Raises
        ------
        EngineError
            If no engine answers, or one that is too old.
        """
        if self._client is None:
            from docker.errors import DockerException

            from envd_magic.engine.sdk import connect

            try:
                settings = {**self.here().settings(), "timeout": self._seconds}
                client = connect(settings, self._version)
            except DockerException as error:
                said = self._bridge.said if self._bridge is not None else ""
                raise unreachable(self.address, said or innermost(error)) from error
            if tuple(map(int, client.api_version.split("."))) < OLDEST_API:
                wanted = ".".join(map(str, OLDEST_API))
                raise EngineError(
                    f"The Docker engine at {self.address} is too old: it speaks API "
                    f"{client.api_version}, and a build needs {wanted} or later (Docker 19.03). "
                    "Update it, or name another engine."
                )
            self._client, self._version = client, client.api_version
            self._plugs.watch(client)
        return self._client

    @property
    def identity(self) -> str:
        """What tells this engine from others, whatever address it has.

        Raises
        ------
        EngineError
            If no engine answers.
        """
        return self._known().identity

    @property
    def keeps_layers(self) -> bool:
        """Does it keep images' layers itself? Else containerd keeps images, as they were packed.

        Raises
        ------
        EngineError
            If no engine answers.
        """
        return self._known().keeps_layers

    def _known(self) -> _Known:
        if self._itself is None:
            now = time.monotonic()
            known = _KNOWN.get(self.address)
            if known is None or now - known.when > _HOLDS:
                with explained("ask the engine who it is"):
                    told = self.api.info()
                # https://docs.docker.com/engine/storage/containerd/ has the pair.
                status = map(tuple, told.get("DriverStatus") or ())
                known = _Known(str(told["ID"]), _BY_CONTAINERD not in status, now)
                _KNOWN[self.address] = known
            self._itself = known
        return self._itself

    def last_prune(self, ours: Collection[str] = ()) -> float | None:
        """Give when its build cache was thrown away last, by this machine's clock, if it knows.

        Parameters
        ----------
        ours
            Bytes of prunes that took no step's result.

        Raises
        ------
        EngineError
            If no engine answers.
        """
        # It remembers a few hundred events, and waits for more until the time that it is given.
        with explained("ask for the engine's events"):
            ahead = self._ahead()
            told = self.api.events(since=0, until=int(time.time() - ahead), decode=True)
            found = [
                one["time"]
                for one in told
                if one.get("Type") == "builder"
                and one.get("Action") == "prune"
                and (took := one["Actor"]["Attributes"].get("reclaimed", "")) not in ours
                and (not took.isdigit() or int(took) >= _SMALL)
            ]
        return max(found) + ahead if found else None

    def _ahead(self) -> float:
        """Give the seconds that this machine's clock is ahead of the engine's.

        Asked for events until a time that is yet to come, an engine waits for it.
        """
        from envd_magic.engine.sdk import pinged

        before = time.time()
        told = pinged(self.api).get("Date")
        after = time.time()
        theirs = parsedate_to_datetime(told).timestamp() if told else before
        return 0.0 if before - _APART < theirs < after + _APART else after - theirs

    def here(self) -> Address:
        """Give the address that programs on this machine can use, until :meth:`close`."""
        if not self.address.is_ssh:
            return self.address
        if self._bridge is None:
            self._bridge = ssh_bridge(self.address.host)
        return Address(self._bridge.address)

    def beside(self) -> Engine:
        """Give one more connection to the same engine, until :meth:`close` of this one."""
        return Engine(self.here(), seconds=self._seconds, version=self._version)

    def environment(self) -> dict[str, str]:
        """Variables that lead envd to the same engine."""
        return self.here().environment()

    def abort(self) -> None:
        """End what the engine is telling, from another thread too; it gives up what it does."""
        self._plugs.pull()

    def close(self) -> None:
        """Close the connection; a push or a pull that is not at its end is given up."""
        if self._client is not None:
            self.abort()
            self._client.close()
            self._client = None
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None


@contextmanager
def explained(
    doing: str, kind: type[EngineError] = EngineError, registry: str = ""
) -> Iterator[None]:
    """Turn what the docker SDK raises into an error that says what was being done.

    Parameters
    ----------
    doing
        As in "cannot {doing}".
    kind
        The error to raise.
    registry
        The one that is asked through the engine, if one is.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except (DockerException, RequestException, HTTPError, ConnectionError) as error:
        if registry and "Read timed out" in str(error):
            raise kind(f"Cannot {doing}: the registry {registry} {SILENT}") from error
        if not isinstance(error, DockerException):
            # The middle of a stream is read by urllib3 itself.
            raise kind(f"Cannot {doing}: {ENGINE_GONE}: {error}") from error
        said = error.explanation if isinstance(error, APIError) else None
        text = str(said or error)
        raise kind(f"Cannot {doing}: {with_advice(text, registry)}") from error


def innermost(error: BaseException) -> str:
    """Give the system's own words for why there is no connection, out of all that is around."""
    # What the SDK adds is about the SDK.
    text = re.sub(
        r"^Error while fetching server API version: |\. TLS configurations.*", "", str(error)
    )
    found, seen, waiting = text, set(), [error]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, OSError) and one.strerror:
            found = one.strerror
        inner = (*one.args, getattr(one, "reason", None), one.__cause__, one.__context__)
        waiting += [item for item in inner if isinstance(item, BaseException)]
    return found

"""The Docker engine: the connection, as docker's own command line would make it."""

from __future__ import annotations

import os
import socket
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from envd_magic.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# The longest that one answer of the engine may take, in seconds; pulls and builds answer in pieces.
_TIMEOUT = 120


class Engine:
    """A connection to the engine; it is made at the first use and closed with :meth:`close`.

    ``DOCKER_HOST`` counts first, then the current context of docker's command line.
    """

    def __init__(self) -> None:
        self._client: Any = None
        self._settings: Mapping[str, Any] | None = None
        self._identity = ""
        self._answers: WeakSet[Any] = WeakSet()

    @property
    def settings(self) -> Mapping[str, Any]:
        """Address and TLS files: ``base_url``, ``ca``, ``cert``, ``key``."""
        if self._settings is None:
            self._settings = _settings()
        return self._settings

    @property
    def api(self) -> Any:
        """The low-level client of the docker SDK.

        Raises
        ------
        EngineError
            If no engine answers.
        """
        if self._client is None:
            # 0.2 s to import.
            import docker
            from docker.errors import DockerException
            from docker.utils import kwargs_from_env

            named = ("base_url", "tls")
            where = {key: self.settings[key] for key in named if key in self.settings}
            try:
                self._client = docker.APIClient(
                    **(where or kwargs_from_env()),
                    version="auto",
                    timeout=_TIMEOUT,
                    use_ssh_client=True,
                )
            except DockerException as error:
                raise EngineError(unreachable(error)) from error
            self._client.hooks["response"].append(self._remember)
        return self._client

    @property
    def identity(self) -> str:
        """What tells this engine from others, whatever address it has.

        Raises
        ------
        EngineError
            If no engine answers.
        """
        if not self._identity:
            with explained("ask the engine who it is"):
                self._identity = str(self.api.info()["ID"])
        return self._identity

    def last_prune(self) -> float | None:
        """Give when its build cache was thrown away last, in seconds since 1970, if it knows.

        Raises
        ------
        EngineError
            If no engine answers.
        """
        # It remembers a few hundred events, and waits for more until the time that it is given.
        with explained("ask for the engine's events"):
            told = self.api.events(since=0, until=int(time.time()), decode=True)
            found = [
                one["time"]
                for one in told
                if one.get("Type") == "builder"
                and one.get("Action") == "prune"
                and one["Actor"]["Attributes"].get("reclaimed") != "0"
            ]
        return max(found, default=None)

    def environment(self) -> dict[str, str]:
        """Variables that lead envd to the same engine; it knows nothing of docker's contexts."""
        if "base_url" not in self.settings:
            return {}
        found = {"DOCKER_HOST": str(self.settings["base_url"])}
        if self.settings.get("certificates"):
            found["DOCKER_CERT_PATH"] = str(self.settings["certificates"])
            found["DOCKER_TLS_VERIFY"] = "1"
        return found

    def abort(self) -> None:
        """End what the engine is telling, from another thread too; it gives up what it does."""
        for answer in tuple(self._answers):
            connection = getattr(answer.raw, "connection", None)
            if (plug := getattr(connection, "sock", None)) is not None:
                with suppress(OSError):
                    plug.shutdown(socket.SHUT_RDWR)

    def _remember(self, answer: Any, **_: object) -> None:
        self._answers.add(answer)

    def close(self) -> None:
        """Close the connection; a push or a pull that is not at its end is given up."""
        if self._client is not None:
            self.abort()
            self._client.close()
            self._client = None


@contextmanager
def explained(doing: str, kind: type[EngineError] = EngineError) -> Iterator[None]:
    """Turn what the docker SDK raises into an error that says what was being done.

    Parameters
    ----------
    doing
        As in "cannot {doing}".
    kind
        The error to raise.
    """
    from docker.errors import APIError, DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except APIError as error:
        raise kind(f"Cannot {doing}: {error.explanation or error}") from error
    except (DockerException, RequestException) as error:
        raise kind(f"Cannot {doing}: {error}") from error


def _innermost(error: BaseException) -> str:
    """Give the system's own words for why there is no connection, out of all that is around."""
    found, seen, waiting = str(error), set(), [error]
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


def unreachable(error: BaseException) -> str:
    """Say that there is no engine, and what to do."""
    host = os.environ.get("DOCKER_HOST") or "the default socket"
    text = _innermost(error)
    if "Permission denied" in text:
        how = (
            "This user may not use it: add the user to the group docker, or use a rootless engine."
        )
    else:
        how = "Start the engine, or let DOCKER_HOST name one that runs."
    return f"No Docker engine answers at {host}: {text}. {how}"


def _settings() -> Mapping[str, Any]:
    """Read the current context of docker's command line, unless DOCKER_HOST says it all."""
    if os.environ.get("DOCKER_HOST"):
        return {}
    # Of the SDK's settings only the form on disk is stable across its versions.
    from docker.context import ContextAPI
    from docker.errors import DockerException

    name = os.environ.get("DOCKER_CONTEXT")
    try:
        context = ContextAPI.get_context(name) if name else ContextAPI.get_current_context()
    except DockerException as error:
        raise EngineError(f"docker's context {name or ''!r} cannot be read: {error}") from error
    if context is None:
        raise EngineError(f"There is no docker context {name!r}; see: docker context ls")
    if context.Name == "default" or not context.Host:
        return {}
    found: dict[str, Any] = {"base_url": context.Host}
    if (tls := context.TLSConfig) is not None and tls.ca_cert:
        found["certificates"] = Path(tls.ca_cert).parent
        found["tls"] = tls
    return found

"""The connections of the docker SDK, which knows no way to end what waits for an answer."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

if TYPE_CHECKING:
    from collections.abc import Callable


class Plugs:
    """Connections to an engine, those too on which it has not answered yet."""

    def __init__(self) -> None:
        self._connections: WeakSet[Any] = WeakSet()
        # A set must not grow while it is gone through.
        self._lock = threading.Lock()

    def watch(self, client: Any) -> None:
        """Know of all connections that a client of the SDK makes from now on."""
        for adapter in client.adapters.values():
            for name in ("get_connection", "get_connection_with_tls_context"):
                if (method := getattr(adapter, name, None)) is not None:
                    setattr(adapter, name, self._noting(method))

    def _noting(self, pool_for: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*arguments: Any, **options: Any) -> Any:
            pool = pool_for(*arguments, **options)
            # Its class makes connections; what stands in the pool itself counts first.
            if "_new_conn" not in vars(pool):
                pool._new_conn = self._remembering(pool._new_conn)  # noqa: SLF001
            return pool

        return noted

    def _remembering(self, make: Callable[[], Any]) -> Callable[[], Any]:
        def made() -> Any:
            connection = make()
            self.add(connection)
            return connection

        return made

    def add(self, connection: Any) -> None:
        """Know of a connection."""
        with self._lock:
            self._connections.add(connection)

    def pull(self) -> None:
        """End all, from another thread too: who waits on one finds it ended."""
        with self._lock:
            connections = tuple(self._connections)
        for connection in connections:
            if (plug := getattr(connection, "sock", None)) is not None:
                with suppress(OSError):
                    plug.shutdown(socket.SHUT_RDWR)

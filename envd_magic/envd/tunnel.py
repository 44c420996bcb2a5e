"""A buildkitd over TCP with TLS, which envd speaks without: a private socket leads there.

envd's builders `tcp` and `unix` are plain sockets to it (buildkit's client is given no
credentials), so a bridge adds the TLS, with the client's certificate, and envd sees a socket.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import ssl
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.engine.bridge import Bridge
from envd_magic.envd.contexts import Context
from envd_magic.envd.home import create_context
from envd_magic.errors import ContextError, EnvdError
from envd_magic.owner import private_name

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from envd_magic.envd.home import Home
    from envd_magic.envd.program import Program

#: Seconds in which a server refuses a client's certificate: the handshake is over before.
REFUSAL = 0.3
_PIECE = 1 << 16
# Seconds for a server to take a connection, and for its end to be told.
_PATIENCE = 20
_SHORT = 1


@contextmanager
def reached(program: Program, home: Home) -> Iterator[Home]:
    """Give a home in which envd reaches its builder: another one, for the time, if that wants TLS.

    Raises
    ------
    ContextError
        If the certificates cannot be read, or the builder does not take the connection.
    """
    if not home.certificates or home.builder != "tcp":
        with _named(home):
            yield home
        return
    with closing(_tls_bridge(home)) as bridge:
        path = bridge.path.parent / "home"
        # It goes with the bridge; other builds have one of their own. What another process is
        # writing just now is not taken.
        ignored = shutil.ignore_patterns("tmp*", ".cache")
        shutil.copytree(home.path, path, symlinks=True, ignore=ignored)
        name = f"{home.context}-{private_name()}"
        create_context(program, path, Context(name, "unix", str(bridge.path)))
        try:
            yield replace(home, path=path)
        except EnvdError as error:
            # envd saw a socket that says nothing: the bridge knows why.
            if bridge.said:
                raise ContextError(
                    f"No builder answers at {home.address}, which the context {home.context} "
                    f"names: {bridge.said}. See: envd-magic context check {home.context}"
                ) from error
            raise


@contextmanager
def _named(home: Home) -> Iterator[None]:
    """Name the context where envd finds no builder."""
    try:
        yield
    except EnvdError as error:
        if "connect to buildkitd" not in error.message:
            raise
        text = f"{error.message.rstrip('.')}. The context {home.context} names that builder"
        raise type(error)(text, error.exit_code) from error


def tls_context(certificates: str) -> ssl.SSLContext:
    """Give how TLS is spoken with a folder of certificates.

    Raises
    ------
    ContextError
        If they cannot be read.
    """
    folder = Path(certificates)
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    except OSError as error:
        raise ContextError(f"The certificates in {folder} cannot be read: {error}") from error
    # gRPC wants it said.
    context.set_alpn_protocols(["h2"])
    return context


def host_and_port(address: str) -> tuple[str, int]:
    """Take ``tcp://machine:port`` apart.

    Raises
    ------
    ContextError
        If it is no such address.
    """
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    if not host or not port.isdecimal():
        raise ContextError("that is no HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _tls_bridge(home: Home) -> Bridge:
    """Lead from a private socket to a builder with TLS."""
    place, context = host_and_port(home.address), tls_context(home.certificates)

    def lead(connection: socket.socket, bridge: Bridge) -> str:
        return asyncio.run(_Tunnel(bridge, place, context).lead(connection))

    return Bridge(lead)


def _why(error: OSError) -> str:
    # What asyncio says of a refused connection is about asyncio.
    if isinstance(error, ConnectionError) and error.errno:
        return os.strerror(error.errno)
    return error.strerror or str(error)


class _Tunnel:
    """One connection, on a thread and a loop of its own."""

    def __init__(self, bridge: Bridge, place: tuple[str, int], context: ssl.SSLContext) -> None:
        self._bridge = bridge
        self._place = place
        self._context = context
        self._heard = False
        self._told = asyncio.Event()

    async def lead(self, connection: socket.socket) -> str:
        """Carry bytes both ways until one side ends; give why nothing was heard."""
        loop, task = asyncio.get_running_loop(), asyncio.current_task()

        def end() -> None:
            if task is not None:
                with suppress(RuntimeError):  # it has ended by itself
                    loop.call_soon_threadsafe(task.cancel)

        self._bridge.keep(end)
        try:
            await self._carry(connection)
        except asyncio.CancelledError:
            return ""
        except asyncio.TimeoutError:
            return f"no connection within {_PATIENCE} s"
        except OSError as error:
            return "" if self._heard else _why(error)
        finally:
            self._bridge.drop(end)
        return "" if self._heard else "the connection was ended before a word was said"

    async def _carry(self, connection: socket.socket) -> None:
        opened = asyncio.open_connection(*self._place, ssl=self._context)
        far_in, far_out = await asyncio.wait_for(opened, _PATIENCE)
        near_in, near_out = await asyncio.open_unix_connection(sock=connection.dup())
        tasks = [asyncio.ensure_future(self._back(far_in, near_out))]
        try:
            # A refusal that meets words on their way is lost. A server of gRPC speaks first.
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._told.wait(), REFUSAL)
            tasks.append(asyncio.ensure_future(self._out(near_in, far_out)))
            # TLS has no end of one direction alone: with one way, both are over.
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for stream in (near_out, far_out):
                stream.transport.abort()
                with suppress(OSError, asyncio.TimeoutError):
                    await asyncio.wait_for(stream.wait_closed(), _SHORT)

    async def _out(self, near: asyncio.StreamReader, far: asyncio.StreamWriter) -> None:
        while piece := await near.read(_PIECE):
            far.write(piece)
            await far.drain()
        # Who asks no more wanted no answer.
        self._heard = True

    async def _back(self, far: asyncio.StreamReader, near: asyncio.StreamWriter) -> None:
        try:
            while piece := await far.read(_PIECE):
                self._heard = True
                self._told.set()
                near.write(piece)
                await near.drain()
        finally:
            self._told.set()

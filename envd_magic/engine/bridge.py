"""A socket of our own that leads on to a place elsewhere.

envd speaks plain sockets alone: it knows neither ``ssh://`` nor, for a BuildKit over TCP, TLS. A
bridge listens on a socket that only this user can open, and each connection to it goes on as ssh
or TLS would have it. Nothing of it outlives this process: ssh ends with the connection it serves.
"""

from __future__ import annotations

import errno
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from envd_magic.errors import EngineError
from envd_magic.owner import private_name
from envd_magic.watched import Watched

#: Ends what is to end with a bridge.
Held = Callable[[], None]
# Seconds for ssh to find the other machine, and to end when it is told to.
_CONNECT = 20
_PATIENCE = 2
_MOST_SAID = 2000
# Why a connection cannot be taken now, and seconds until the next try.
_FULL = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.ECONNABORTED)
_MOMENT = 0.1


class Bridge:
    """A socket that leads elsewhere; it listens until :meth:`close`.

    Parameters
    ----------
    lead
        Serves one connection until its end, on a thread of its own; gives what went wrong, "" if
        nothing did.
    """

    def __init__(self, lead: Callable[[socket.socket, Bridge], str]) -> None:
        self._lead = lead
        self._folder = Path(tempfile.mkdtemp(prefix=f"envd_magic-{private_name()}-"))
        self.path = self._folder / "s"
        self.said = ""
        self._open: set[Held] = set()
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(self.path))
        except OSError as error:
            # A socket's path has 107 bytes at most.
            self.close()
            raise EngineError(f"No socket can be made in {self._folder}: {error}") from error
        self._listener.listen(64)
        self._begin(self._serve, "envd_magic-bridge")

    @property
    def address(self) -> str:
        """As ``DOCKER_HOST`` has it."""
        return f"unix://{self.path}"

    def keep(self, held: Held) -> None:
        """Have something end with the bridge."""
        with self._lock:
            self._open.add(held)
            closed = self._closed
        if closed:
            held()

    def drop(self, held: Held) -> None:
        """Forget what has ended."""
        with self._lock:
            self._open.discard(held)

    def close(self) -> None:
        """End every connection and every thread, and listen no more."""
        with self._lock:
            self._closed = True
            held, self._open = self._open, set()
        with suppress(OSError):
            # Wakes the thread that accepts, which a close alone does not.
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in held:
            end()
        self._join(time.monotonic() + _PATIENCE)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _join(self, deadline: float) -> None:
        while running := [one for one in tuple(self._threads) if one.is_alive()]:
            if (left := deadline - time.monotonic()) <= 0:
                return
            running[0].join(left)

    def _begin(self, do: Callable[..., None], name: str, *arguments: object) -> None:
        def run() -> None:
            try:
                do(*arguments)
            finally:
                self._threads.discard(thread)

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.add(thread)
        thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closed or error.errno not in _FULL:
                    return
                # Files are closed again, and who has connected waits.
                time.sleep(_MOMENT)
                continue
            self._begin(self._one, "envd_magic-bridged", connection)

    def _one(self, connection: socket.socket) -> None:
        try:
            said = self._lead(connection, self)
        except OSError as error:
            said = str(error)
        if said and not self._closed:
            self.said = said
        # After that: who sees the end asks why.
        connection.close()


def _end(ssh: Watched) -> None:
    """End ssh, which tells the other machine so where it can."""
    ssh.process.terminate()
    with suppress(subprocess.TimeoutExpired):
        ssh.process.wait(_PATIENCE)
    ssh.end()


def ssh_bridge(host: str) -> Bridge:
    """Lead to the engine of another machine, as docker's command line does.

    Parameters
    ----------
    host
        As ``ssh://user@machine:port``, with the path of the engine's socket if that is another.

    Raises
    ------
    EngineError
        If it is no such address.
    """
    command = ssh_command(host)

    def lead(connection: socket.socket, bridge: Bridge) -> str:
        program = shutil.which(command[0])
        if program is None:
            return "there is no program ssh"
        # Nobody asks ssh to end where we are killed: one that still connects, or whose engine does
        # not let go, would outlive us.
        ssh = Watched(
            [program, *command[1:]],
            reads_its_output=True,
            stdout=connection.fileno(),
            stderr=subprocess.PIPE,
        )
        end = partial(_end, ssh)
        bridge.keep(end)
        process = ssh.process
        try:
            with process:
                said = process.stderr.read() if process.stderr is not None else b""
        finally:
            ssh.end()
            bridge.drop(end)
        text = said[-_MOST_SAID:].decode("utf-8", "replace").strip()
        return (text or f"ssh ended with status {process.returncode}") if process.returncode else ""

    return Bridge(lead)


def ssh_command(host: str) -> list[str]:
    """Give ssh's command line for an address; see :func:`ssh_bridge`."""
    try:
        parts = urlsplit(host)
        port = parts.port
    except ValueError as error:
        raise EngineError(f"{host!r} is no address of an engine: {error}") from error
    # Not `hostname`, which is in small letters: names in ssh's configuration may have others.
    machine = re.sub(r":\d*$", "", parts.netloc.rpartition("@")[2]).strip("[]")
    # ssh would take a name that begins with a dash for an option.
    if parts.password:
        raise EngineError(
            f"ssh://…@{machine} is no address of an engine: ssh takes no password in it"
        )
    if not machine or machine.startswith("-") or parts.query or parts.fragment:
        raise EngineError(f"{host!r} is no address of an engine: as ssh://user@machine:22")
    command = ["ssh", "-T", "-o", f"ConnectTimeout={_CONNECT}"]
    # Nobody is there to type a password.
    command += ["-o", "BatchMode=yes"]
    command += ["-l", parts.username] if parts.username else []
    command += ["-p", str(port)] if port else []
    path = parts.path.rstrip("/")
    engine = ["--host", f"unix://{path}"] if path else []
    return [*command, "--", machine, "docker", *engine, "system", "dial-stdio"]

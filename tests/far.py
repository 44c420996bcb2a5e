"""A second engine, as on another machine: reached over TCP, with TLS or without, or by ssh."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from .lab.certificates import Authority
from .lab.engine import start_own, stop_engine
from .lab.machine import need
from .lab.process import run, which

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Far:
    """The engine.

    Parameters
    ----------
    unix
        Its socket on this machine.
    tcp
        Its address, with TLS and client's certificates.
    authority
        Whose certificates it takes.
    client
        Folder of a client's certificates.
    """

    unix: str
    tcp: str
    authority: Authority
    client: Path

    def docker(self, *arguments: str) -> str:
        """Output of docker's command line with these arguments."""
        return run("docker", "-H", self.unix, *arguments)

    def has(self, image: str) -> bool:
        """Is an image in it?"""
        return bool(self.docker("images", "-q", image).strip())


@contextmanager
def far_engine() -> Iterator[Far]:
    """Run the engine."""
    # Not below pytest's folder: a socket's path has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="far-") as name:
        yield from _far_engine(Path(name))


def _far_engine(folder: Path) -> Iterator[Far]:
    authority = Authority(folder / "authority")
    server = authority.issue(folder / "server", "IP:127.0.0.1", "DNS:localhost")
    client = authority.issue(folder / "client")
    port = free_port()
    tls = [f"--tls{name}={server / file}.pem" for name, file in _FILES.items()]
    state = folder / "engine"
    state.mkdir()
    try:
        listen = ("-H", f"tcp://127.0.0.1:{port}", "--tlsverify")
        unix, _ = start_own(state, *listen, *tls)
        yield Far(unix, f"tcp://127.0.0.1:{port}", authority, client)
    finally:
        stop_engine(state)


_FILES = {"cacert": "ca", "cert": "cert", "key": "key"}


def free_port(host: str = "127.0.0.1") -> int:
    """Give a port that nobody listens on, of the loopback interface or another."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


@contextmanager
def ssh_server(folder: Path) -> Iterator[str]:
    """Run an sshd on the loopback interface that lets this user in, and put its ssh on PATH.

    Yields
    ------
    str
        As ``ssh://user@machine:port``.
    """
    need(["sshd"])
    folder.mkdir()
    for name in ("host", "own", "other"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name))
    (folder / "authorized").write_text((folder / "own.pub").read_text())
    port, user = free_port(), getpass.getuser()
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    server = {
        "Port": port,
        "ListenAddress": "127.0.0.1",
        "HostKey": folder / "host",
        "AuthorizedKeysFile": folder / "authorized",
        "PasswordAuthentication": "no",
        "KbdInteractiveAuthentication": "no",
        "PermitRootLogin": "prohibit-password",
        "StrictModes": "no",
        "UsePAM": "no",
        "PidFile": "none",
    }
    known = f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}"
    (folder / "known").write_text(known)
    client = {
        "IdentityFile": folder / "own",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "UserKnownHostsFile": folder / "known",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
    }
    for name, settings in (("sshd_config", server), ("ssh_config", client)):
        (folder / name).write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
    # ssh looks for its files in the home that the system knows, whatever HOME says.
    (folder / "bin").mkdir()
    program = folder / "bin/ssh"
    program.write_text(f'#!/bin/sh\nexec {which("ssh")} -F {folder}/ssh_config "$@"\n')
    program.chmod(0o755)
    # By its whole path, since it starts itself again for each connection.
    command = [which("sshd") or "sshd", "-D", "-e", "-f", str(folder / "sshd_config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as running:
        try:
            # "Server listening on …"
            assert running.stderr is not None
            assert running.stderr.readline()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("PATH", f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
                yield f"ssh://{user}@127.0.0.1:{port}"
        finally:
            running.terminate()

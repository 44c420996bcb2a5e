"""The private socket that adds TLS: what comes through, what is told, and that nothing is left."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import threading
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from envd_magic.envd import tunnel
from envd_magic.envd.home import Home
from envd_magic.errors import ContextError

from .far import free_port
from .lab.certificates import Authority

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MANY = b"0123456789" * 200_000


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of a server's, a client's and a stranger's certificates."""
    folder = tmp_path_factory.mktemp("tunnel")
    authority = Authority(folder / "authority")
    authority.issue(folder / "server", "IP:127.0.0.1")
    authority.issue(folder / "client")
    Authority(folder / "other").issue(folder / "stranger")
    (folder / "stranger/ca.pem").write_bytes((folder / "client/ca.pem").read_bytes())
    return folder


@pytest.fixture
def echo(certificates: Path) -> Iterator[int]:
    """Port of a server that wants a client's certificate and says again what it hears."""
    server = certificates / "server"
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(server / "ca.pem"))
    context.load_cert_chain(server / "cert.pem", server / "key.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def one(plain: socket.socket) -> None:
            with suppress(OSError), context.wrap_socket(plain, server_side=True) as client:
                while piece := client.recv(1 << 16):
                    client.sendall(piece)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    threading.Thread(target=one, args=(plain,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield int(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)


def home(port: int, certificates: Path) -> Home:
    return Home(certificates, "there", "tcp", f"tcp://127.0.0.1:{port}", str(certificates))


def heard(port: int, certificates: Path, words: bytes) -> tuple[bytes, str]:
    """Say something through a bridge; give what comes back, and what the bridge has to say."""
    with closing(tunnel._tls_bridge(home(port, certificates))) as bridge:  # noqa: SLF001
        assert bridge.path.parent.stat().st_mode & 0o77 == 0
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(bridge.path))
            threading.Thread(target=_say, args=(client, words), daemon=True).start()
            found = b""
            with suppress(OSError):
                while len(found) < len(words) and (piece := client.recv(1 << 16)):
                    found += piece
        said = bridge.said
    assert not bridge.path.parent.exists()
    assert [one.name for one in threading.enumerate() if "bridge" in one.name] == []
    return found, said


def _say(client: socket.socket, words: bytes) -> None:
    with suppress(OSError):
        client.sendall(words)


def test_what_is_said_comes_through_and_nothing_is_left(echo: int, certificates: Path) -> None:
    assert heard(echo, certificates / "client", MANY) == (MANY, "")


def test_why_nothing_comes_through_is_told(echo: int, certificates: Path) -> None:
    found, said = heard(echo, certificates / "stranger", b"hello")
    assert found == b""
    # A server that is slow refuses what is on its way, too.
    assert "ALERT_UNKNOWN_CA" in said or "reset by peer" in said
    assert heard(free_port(), certificates / "client", b"hello") == (b"", "Connection refused")


def test_a_bridge_to_a_server_that_is_silent_ends_at_once(certificates: Path) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as silent,
        closing(tunnel._tls_bridge(home(silent.getsockname()[1], certificates / "client"))) as one,  # noqa: SLF001
        socket.socket(socket.AF_UNIX) as client,
    ):
        client.connect(str(one.path))
        silent.accept()
        one.close()
        assert [one.name for one in threading.enumerate() if "bridge" in one.name] == []


def test_certificates_that_cannot_be_read_are_told(certificates: Path, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(ContextError, match=r"The certificates in .* cannot be read"):
        tunnel.tls_context(str(tmp_path))
    assert certificates
    with pytest.raises(ContextError, match="no HOST:PORT"):
        tunnel.host_and_port("tcp://machine")


def test_who_connects_while_no_file_can_be_opened_is_served_later() -> None:
    script = """
import os, resource, socket
from envd_magic.engine.bridge import Bridge
def serve(connection, _):
    connection.sendall(b"served")
    connection.recv(1)
    return ""
bridge = Bridge(serve)
# The system may have kept a file for the one who comes first.
first, client = socket.socket(socket.AF_UNIX), socket.socket(socket.AF_UNIX)
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
taken = []
try:
    while True:
        taken.append(os.open("/dev/null", os.O_RDONLY))
except OSError:
    first.connect(str(bridge.path))
    client.connect(str(bridge.path))
client.settimeout(0.3)
try:
    print(client.recv(6))
except TimeoutError:
    print("waits")
for one in taken:
    os.close(one)
client.settimeout(20)
print(client.recv(6).decode())
first.close()
client.close()
bridge.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "waits\nserved\n", done.stderr

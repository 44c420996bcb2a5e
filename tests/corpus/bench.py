"""What a case needs to fail as it should: indexes, registries, engines, base images."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from tests.indexes import broken, certificate, list_packages, served
from tests.lab.engine import start_own, stop_engine
from tests.lab.process import run
from tests.lab.registry import settings as registry_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

    from tests.lab import Lab

_GATEWAY = """
import socket, struct
for line in open('/proc/net/route').readlines()[1:]:
    words = line.split()
    if words[1] == '00000000':
        print(socket.inet_ntoa(struct.pack('<L', int(words[2], 16))))
"""
#: Who may use a registry that asks for a login.
LOGIN = "me:open-sesame"
_HTPASSWD = "me:$2b$05$spV603NH0CsZqOem7tOGi.NzjPeFCD8apzG8/9DK7CwPRdHeOFPIS\n"


@dataclass
class Bench:
    """The lab, a folder that is the current one, and what is put up for one case.

    Parameters
    ----------
    lab
        The lab.
    folder
        The current folder.
    patch
        Sets variables until the case is over.
    stack
        What is ended then.
    """

    lab: Lab
    folder: Path
    patch: pytest.MonkeyPatch
    stack: ExitStack
    watched: list[tuple[str, Callable[[], None]]] = field(default_factory=list)
    """What is done when a text is seen in the build's output."""
    item: str | None = None
    """The item at fault, where it is known here only."""

    @cached_property
    def gateway(self) -> str:
        """Address of this machine, as containers see it."""
        return self.lab.run(self.lab.base_image, "python", "-c", _GATEWAY).strip()

    @property
    def trust(self) -> str:
        """Options for an installer that let it use an index of this machine over plain HTTP."""
        return f"--trusted-host {self.gateway}"

    def write(self, name: str, text: str, mode: int = 0o644) -> Path:
        """Write a file of the user's."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
        return path

    def index(self, folder: Path, login: str | None = None, *, tls: bool = False) -> str:
        """Serve an index and give its URL, as containers reach it."""
        list_packages(folder)
        signed = certificate(self.stack_folder("tls"), self.gateway) if tls else None
        port = self.stack.enter_context(served(folder, login, signed))
        return f"http{'s' if tls else ''}://{self.gateway}:{port}/"

    def broken_index(self) -> str:
        """Give the URL of an index that answers with an error of its own, whatever is asked."""
        port = self.stack.enter_context(broken())
        return f"http://{self.gateway}:{port}/simple/"

    def stack_folder(self, name: str) -> Path:
        """Give a folder beside the user's."""
        path = self.folder.parent / name
        path.mkdir(exist_ok=True)
        return path

    def uv(self, index: Path) -> None:
        """Offer uv in an index, as a full index would."""
        place = index / "uv"
        place.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(place), "uv"]
        subprocess.run(words, check=True, capture_output=True)
        links = "".join(f'<a href="{found.name}">{found.name}</a>' for found in place.glob("*.whl"))
        (place / "index.html").write_text(f"<!DOCTYPE html><html><body>{links}</body></html>")

    def base(self, name: str, *lines: str) -> str:
        """Give a base image: the lab's with what these lines of a Dockerfile add."""
        # A case of its own each, so that one can be recorded without the others.
        mark = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]
        return self.lab.derive(f"corpus-{name}-{mark}", list(lines))

    def held(self, package: str, version: str) -> str:
        """Give a base image with a version of a Debian package that is to stay as it is."""
        about = f"Package: {package}\\nVersion: {version}\\nArchitecture: amd64\\n"
        about += "Maintainer: me\\nDescription: old\\n"
        return self.base(
            f"held-{package}",
            f"RUN mkdir -p /p/DEBIAN && printf '{about}' > /p/DEBIAN/control && "
            f"dpkg-deb -b /p /p.deb && dpkg -i /p.deb && rm -r /p /p.deb && "
            f"apt-mark hold {package}",
        )

    def registry(self, *, login: bool = False, tls: bool = False, read_only: bool = False) -> int:
        """Serve a registry on all of this machine's addresses, and give its port."""
        folder = self.stack_folder("registry")
        port = _free_port()
        settings = registry_settings(folder / "storage", port, "0.0.0.0")  # noqa: S104
        if login:
            (folder / "htpasswd").write_text(_HTPASSWD)
            path = str(folder / "htpasswd")
            settings["auth"] = {"htpasswd": {"realm": "corpus", "path": path}}
        if tls:
            signed = certificate(folder, self.gateway)
            settings["http"]["tls"] = {"certificate": str(signed), "key": str(signed)}
        if read_only:
            settings["storage"]["maintenance"] = {"readonly": {"enabled": True}}
        config = folder / "config.yml"
        config.write_text(json.dumps(settings))
        words = ["docker-registry", "serve", str(config)]
        self.stack.enter_context(_running(words, lambda: _listens(port)))
        return port

    def engine(self, megabytes: int | None = None) -> Callable[[], None]:
        """Start an engine of the case's own, let builds use it, and give what kills it.

        Parameters
        ----------
        megabytes
            Size of the disk that it has; None lets it use this machine's.
        """
        state = self.stack_folder("engine")
        self.stack.callback(stop_engine, state)
        if megabytes is not None:
            _small_disk(state, megabytes)
        host, pid = start_own(state)
        self.patch.setenv("DOCKER_HOST", host)
        run("docker", "-H", host, "pull", "-q", self.lab.base_image)
        return lambda: os.kill(pid, 9)

    def when(self, text: str, do: Callable[[], None]) -> None:
        """Do something when the build prints a text."""
        self.watched.append((text, do))

    def hide(self, *programs: str) -> None:
        """Let programs be nowhere: neither on PATH nor beside the interpreter."""
        place = self.stack_folder("nothing")
        self.patch.setenv("PATH", str(place))
        self.patch.setattr("sys.executable", str(place / "python3"))
        assert not any(shutil.which(program) for program in programs)

    def old_envd(self, version: str) -> None:
        """Put an old envd first on PATH, the real one of that version."""
        place = self.stack_folder("old")
        words = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(place)]
        subprocess.run([*words, f"envd=={version}"], check=True, capture_output=True)
        self.patch.setenv("PATH", f"{place / 'bin'}{os.pathsep}{os.environ['PATH']}")


def _small_disk(state: Path, megabytes: int) -> None:
    """Let an engine have a file system of its own, in a file."""
    image, place = state / "disk.img", state / "docker"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    run("mkfs.ext4", "-q", "-F", str(image))
    run("mount", "-o", "loop", str(image), str(place))


@contextmanager
def _running(words: list[str], ready: Callable[[], bool]) -> Iterator[None]:
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while not ready():
            assert process.poll() is None, words
            assert time.monotonic() < end, words
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0

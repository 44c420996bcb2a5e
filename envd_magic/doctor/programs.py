"""envd, its context and its builder; flytekit."""

from __future__ import annotations

import importlib.metadata
import re
import socket
import sys
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from envd_magic.doctor.finding import FAIL, OK, WARNING, Finding
from envd_magic.engine.configs import can_listen
from envd_magic.envd.home import SANDBOX_CONTEXT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.doctor.subject import Machine, Subject

_CONNECT = 5.0
_ADDRESS = re.compile(r"(?:tcp://)?\[?(?P<host>[^\]]+)\]?:(?P<port>\d+)")


def envd(machine: Machine, _subject: Subject) -> Iterator[Finding]:
    """Is there an envd that will do?"""
    program = machine.program.get()
    yield Finding("envd", OK, f"{program.version} ({program.path})")


def flytekit(_machine: Machine, _subject: Subject) -> Iterator[Finding]:
    """Is flytekit one that this package knows?"""
    has = importlib.metadata.version("flytekit")
    asked = [Requirement(text) for text in importlib.metadata.requires("envd-magic") or ()]
    wanted = next((one for one in asked if one.name == "flytekit"), Requirement("flytekit"))
    if wanted.specifier.contains(has, prereleases=True):
        yield Finding("flytekit", OK, has)
        return
    command = f"{sys.executable} -m pip install --upgrade '{wanted}'"
    yield Finding("flytekit", FAIL, f"{has} is here, and {wanted.specifier} is needed", command)


def context(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Is there the envd context, and what is its builder?"""
    home = machine.home(subject)
    # The engine's own builder has an address that says nothing: it is found by DOCKER_HOST.
    where = f" at {home.address}" if home.address and not home.in_engine else ""
    yield Finding("context", OK, f"{home.context} ({home.builder}{where})")


def builder(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Does the builder answer, where it is not the engine itself?"""
    home = machine.home(subject)
    if home.in_engine:
        return
    if not (home.builder in ("tcp", "unix") and home.address):
        yield Finding(
            "builder", WARNING, f"whether a builder of kind {home.builder} runs is not looked at"
        )
        return
    try:
        _connect(home.builder, home.address)
    except OSError as error:
        why = error.strerror or str(error)
        start = "flytectl demo start" if home.context == SANDBOX_CONTEXT else "envd context ls"
        text = (
            f"no builder answers at {home.address}, which the context {home.context} names: {why}"
        )
        yield Finding("builder", FAIL, text, start)
    else:
        yield Finding("builder", OK, f"{home.address} answers")


def _connect(kind: str, address: str) -> None:
    """Connect to a builder, and say nothing."""
    found = _ADDRESS.fullmatch(address)
    if kind == "tcp" and found is not None:
        place = (found["host"], int(found["port"]))
        with socket.create_connection(place, timeout=_CONNECT):
            return
    if kind == "tcp":
        raise OSError(0, "that is no HOST:PORT")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.settimeout(_CONNECT)
        plug.connect(address.removeprefix("unix://"))


def loopback(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Can envd be told of base images, by a server of this process?"""
    if not machine.home(subject).in_engine:
        return
    try:
        port = can_listen()
    except OSError as error:
        text = f"envd could not be told of base images: {error}"
        yield Finding("loopback", FAIL, text, "ss -ltn")
    else:
        yield Finding("loopback", OK, f"127.0.0.1:{port} is free for telling envd of base images")

"""envd and its context; flytekit."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import TYPE_CHECKING

from packaging.requirements import Requirement

from envd_magic.doctor.finding import FAIL, OK, Finding
from envd_magic.engine.configs import can_listen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.doctor.subject import Machine, Subject


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

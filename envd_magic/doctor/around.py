"""What is around: proxies, and Binder."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envd_magic.doctor.finding import OK, WARNING, Finding
from envd_magic.engine.trust import LOOPBACK, registry_of
from envd_magic.errors import EnvdMagicError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from envd_magic.doctor.subject import Facts, Machine, Subject

_NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
_RECORDING = "%envd replay recordings/trainer.jsonl.gz"


def proxy(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Do steps and the engine have the proxies that this machine has?"""
    env = subject.asked.env or {}
    here, build = _set(os.environ), _set(env)
    try:
        facts: Facts | None = machine.facts(subject)
    except EnvdMagicError:
        facts = None
    engine = _of_engine(facts)
    found = [
        *_build(here, build, engine),
        *_engine(here, engine, facts),
        *_inside(env),
        *_registry(here, subject),
    ]
    if found:
        yield from found
    elif here or build or engine:
        yield Finding("proxy", OK, f"{', '.join(here or build or engine)}, in the build too")
    else:
        yield Finding("proxy", OK, "none is set")


def _set(variables: Mapping[str, str]) -> list[str]:
    """Give the names of the proxies that are set, in capitals."""
    known = {name.upper() for name, value in variables.items() if value}
    return [name for name in _NAMES if name in known]


def _of_engine(facts: Facts | None) -> list[str]:
    if facts is None:
        return []
    told = {"HTTP_PROXY": "HttpProxy", "HTTPS_PROXY": "HttpsProxy"}
    return [name for name, key in told.items() if facts.info.get(key)]


def _build(here: list[str], build: list[str], engine: list[str]) -> Iterator[Finding]:
    known = here or engine
    if not known or build:
        return
    where = "here" if here else "for the engine"
    names = ", ".join(known)
    values = ", ".join(f'"{name}": os.environ["{name}"]' for name in known)
    yield Finding(
        "proxy",
        WARNING,
        f"{names}: set {where}, and not in the build: env lacks it, so steps go without",
        f"ImageSpec(env={{{values}}}, …)",
    )


def _engine(here: list[str], engine: list[str], facts: Facts | None) -> Iterator[Finding]:
    if here and not engine and facts is not None:
        yield Finding(
            "proxy",
            WARNING,
            f"{', '.join(here)}: set here, and not for the engine, which pulls and pushes without",
            "sudo systemctl edit docker  # [Service] Environment=HTTPS_PROXY=…",
        )


def _inside(env: Mapping[str, str]) -> Iterator[Finding]:
    """Does the build look for a proxy in itself?"""
    for name, value in env.items():
        if name.upper() in _NAMES and LOOPBACK.fullmatch(urlsplit(value).hostname or ""):
            text = f"env[{name!r}] names this machine, and a step that says so means its container"
            yield Finding("proxy", WARNING, text, "ip -4 addr show docker0")


def _registry(here: list[str], subject: Subject) -> Iterator[Finding]:
    """Would what is asked of a registry on this machine go to the proxy?"""
    from requests.utils import should_bypass_proxies

    host = registry_of(f"{subject.asked.registry}/x") if subject.asked.registry else ""
    if here and host and LOOPBACK.fullmatch(host):
        url = f"http://{host}/"
        if not should_bypass_proxies(url, no_proxy=None):
            name = urlsplit(url).hostname
            text = f"NO_PROXY lacks {name}: the proxy is asked for the registry {host}"
            yield Finding("proxy", WARNING, text, f'export NO_PROXY="$NO_PROXY,{name}"')


def binder(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Is this Binder, where no engine can be?"""
    if not any(name.startswith("BINDER_") for name in os.environ):
        return
    try:
        machine.facts(subject)
    except EnvdMagicError:
        text = (
            "here is no engine, and none can be started: nothing is built; preview, plan, check, "
            "freeze and replay work, and DOCKER_HOST may name an engine elsewhere"
        )
        yield Finding("Binder", WARNING, text, _RECORDING)

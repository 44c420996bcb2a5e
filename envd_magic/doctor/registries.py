"""The registry that images go to, and the base image."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envd_magic.doctor.finding import FAIL, OK, WARNING, Finding
from envd_magic.doctor.subject import ANSWER
from envd_magic.engine import images
from envd_magic.engine.client import innermost
from envd_magic.engine.trust import LOOPBACK, advice, login_for, registry_of
from envd_magic.errors import EngineError, PushError
from envd_magic.recipe.compose import base_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.doctor.subject import Machine, Subject

# What mends what registries, and those who look for them, say; the first that fits counts.
_FIXES = (
    (r"no login|login that docker has|login for .* (?:does not|cannot)", "docker login {login}"),
    (r"authority that is not known", "sudo cp ca.crt /etc/docker/certs.d/{registry}/ca.crt"),
    (
        r"plain HTTP",
        'add "insecure-registries": ["{registry}"] to /etc/docker/daemon.json',
    ),
    (r"", "curl -I {scheme}://{registry}/v2/"),
)


def registry(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Does the registry answer, and does it accept docker's login?"""
    from envd_magic.engine.distribution import Repository

    spec = subject.asked
    if not spec.registry:
        yield Finding("registry", OK, "not needed: the spec has none, so its image stays here")
        return
    # What follows the host is the beginning of the repository.
    image = f"{spec.registry}/{spec.name}:doctor"
    host = registry_of(image)
    engine = machine.engine_if_there(subject)
    doing = f"reach the registry {host}"
    try:
        repository = Repository(
            image, doing, PushError, config=subject.registry_config(), engine=engine, seconds=ANSWER
        )
        repository.reach()
    except EngineError as error:
        yield _refused("registry", host, error)
        return
    yield _reached(host, asks_login=repository.asks_login)
    if LOOPBACK.fullmatch(host) and engine is not None and not machine.facts(subject).is_local:
        yield Finding(
            "registry",
            WARNING,
            f"{host} is this machine, and the engine at {engine.address} is another: it pushes to "
            "its own",
        )


def _reached(host: str, *, asks_login: bool) -> Finding:
    if not asks_login:
        return Finding("registry", OK, f"{host} answers, and asks for no login")
    if login_for(host):
        return Finding("registry", OK, f"{host} answers, and accepts the login that docker has")
    text = f"{host} answers; docker has no login for it, which most want for a push"
    return Finding("registry", WARNING, text, _fix("no login", host))


def _refused(check: str, host: str, error: EngineError) -> Finding:
    if error.__cause__ is None:
        said = str(error)
        return Finding(check, FAIL, said, _fix(said, host))
    why = innermost(error.__cause__)
    told = advice(host, why)
    text = f"{host} cannot be reached: {why.rstrip('.')}" + (f". {told}" if told else "")
    return Finding(check, FAIL, text, _fix(text, host))


def _fix(said: str, host: str) -> str:
    found = next(fix for pattern, fix in _FIXES if re.search(pattern, said))
    login = "" if host == "docker.io" else host
    scheme = "http" if LOOPBACK.fullmatch(host) else "https"
    return found.format(registry=host, login=login, scheme=scheme).rstrip()


def base_image(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Is the base image there, for each platform?"""
    name = base_name(subject.lowest)
    engine = machine.engine_if_there(subject)
    there = images.inspect(engine, name) if engine is not None else None
    missing = [
        wanted
        for wanted in subject.platforms
        if there is None or not images.same_platform(there.platform, wanted)
    ]
    if not missing and there is not None:
        yield Finding("base image", OK, f"{name} is in the engine ({there.platform})")
        return
    try:
        if engine is not None:
            has = images.registry_platforms(engine, name)
        else:
            from envd_magic.engine.registry import registry_platforms

            has = registry_platforms(name, subject.registry_config(), ANSWER)
    except EngineError as error:
        host = registry_of(name)
        if engine is None:
            # It was us who asked: the cause is of our own program's words.
            yield _refused("base image", host, error)
        else:
            yield Finding("base image", FAIL, str(error), _fix(str(error), host))
        return
    yield _offered(name, has, missing)


def _offered(name: str, has: list[str] | None, wanted: list[str]) -> Finding:
    if has is None:
        text = f"{name} is neither in the engine nor in its registry; check name and tag"
        return Finding("base image", FAIL, text, f"docker pull {name}")
    lacking = [
        one for one in wanted if has and not any(images.same_platform(it, one) for it in has)
    ]
    if lacking:
        text = f"{name} has no {', '.join(lacking)}; it has {', '.join(has)}"
        return Finding("base image", FAIL, text, f"ImageSpec(platform={has[0]!r}, …)")
    return Finding("base image", OK, f"{name} is in its registry ({', '.join(wanted)})")

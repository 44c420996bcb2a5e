"""What can be done about an image, or about a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.diagnosis.fixes.common import close
from envd_magic.diagnosis.model import Change, Fix
from envd_magic.diagnosis.view import groups

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View


def close_image(view: View, _match: re.Match[str], place: Place, ask: Ask) -> Iterator[Fix]:
    """Take an image that is there: another tag, a name like it, one that the engine has."""
    if place.field != "base_image":
        return
    # Nobody knows what a digest was meant to be of.
    wanted, at, _ = view.base.partition("@")
    if at and ":" not in wanted.rpartition("/")[2]:
        wanted = f"{wanted}:latest"
    repository, _, tag = wanted.rpartition(":")
    tags = [one.rpartition(":")[2] for one in ask.tags(wanted)]
    found = [f"{repository}:{one}" for one in close(tag, tags) or tags[-1:]]
    if not tags:
        names = ask.repositories(view.registry)
        path = repository.removeprefix(f"{view.registry}/")
        for one in close(path, names, most=1):
            other = f"{view.registry}/{one}"
            there = [each.rpartition(":")[2] for each in ask.tags(f"{other}:{tag}")]
            best = tag if tag in there or not there else (close(tag, there, 1) or there[-1:])[0]
            found.append(f"{other}:{best}")
    found += close(wanted, ask.images(), most=1)
    for one in list(dict.fromkeys(found))[:2]:
        change = Change("base_image", "set", one)
        yield Fix(f"take {one}, which is there", (change,))
    if not found:
        yield Fix("check the name of the base image and its tag", command=f"docker pull {wanted}")


def log_in(view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Log in."""
    where = "" if view.registry == "docker.io" else f" {view.registry}"
    yield Fix("log in to the registry", command=f"docker login{where}")


def trust_registry(view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the engine trust a registry that speaks plain HTTP."""
    yield Fix(
        "let the engine use it without TLS: in /etc/docker/daemon.json, then restart the engine",
        command=f'{{"insecure-registries": ["{view.registry}"]}}',
    )


def registry_certificate(view: View, _m: re.Match[str], _p: Place, _ask: Ask) -> Iterator[Fix]:
    """Give the engine the certificate of who signed."""
    yield Fix(
        "give the engine the certificate of who signed for the registry",
        command=f"cp ca.crt /etc/docker/certs.d/{view.registry}/ca.crt",
    )


def check_registry(view: View, match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the name and the network be looked at."""
    named = place.field in ("base_image", "registry")
    host = groups(match).get("host") or view.registry
    yield Fix(
        f"check the name in {place.field}, and whether the engine reaches it"
        if named
        else f"look whether the engine reaches {host}",
        command=f"curl -I https://{host}/v2/",
    )


def without_registry(_view: View, _m: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Keep the image in the engine."""
    yield Fix("leave registry out, for an image in this engine only", (_unset("registry"),))


def _unset(field: str) -> Change:
    return Change(field, "set", None)


def other_registry(_view: View, _match: re.Match[str], _p: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the registry be looked at."""
    yield Fix("ask who keeps the registry whether it takes images (it may be read-only, or full)")


def platform_that_is(view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Build for the platform that the base image has."""
    has = groups(match).get("has")
    if has:
        yield Fix(f"build for {has}, which it has", (Change("platform", "set", has),))
    yield Fix(f"take a base image that has {groups(match)['what']}")
    del view


def without_tool(view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Do without what envd has to fetch."""
    if place.field == "python_version" and not view.spec.conda_packages and not view.spec.cuda:
        yield Fix(
            "leave python_version out, for the Python of the base image", (_unset(place.field),)
        )

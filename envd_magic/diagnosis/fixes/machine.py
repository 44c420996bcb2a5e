"""What can be done about the engine, envd and the network: nothing of it is the spec's."""

from __future__ import annotations

import platform
import shlex
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from envd_magic.diagnosis.model import Change, Fix
from envd_magic.diagnosis.view import groups

if TYPE_CHECKING:
    import re
    from collections.abc import Iterator

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.view import Place, View

_MACHINES = {"x86_64": "linux/amd64", "AMD64": "linux/amd64", "aarch64": "linux/arm64"}
_MACHINES["arm64"] = "linux/arm64"


def install_envd(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Install envd."""
    yield Fix("install envd", command=f"{sys.executable or 'python'} -m pip install envd")


def update_envd(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Update envd."""
    command = f"{sys.executable or 'python'} -m pip install --upgrade envd"
    yield Fix("update envd", command=command)


def make_context(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Add the context, or choose another."""
    yield Fix(
        "add the context, or name one that is there",
        command=f"envd-magic context add {shlex.quote(match['what'])} --builder …",
    )


def join_docker(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the user use the engine."""
    yield Fix(
        "add this user to the group docker, and log in anew",
        command='sudo usermod -aG docker "$USER"',
    )


def start_engine(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Start the engine, here or where it is to be."""
    what = groups(match).get("what", "")
    if what.startswith(("tcp://", "ssh://", "http")):
        host = urlsplit(what).hostname or "the machine"
        yield Fix(f"start the engine on {host}: sudo systemctl start docker")
    else:
        yield Fix("start the engine", command="sudo systemctl start docker")
    if context := groups(match).get("context"):
        yield Fix(
            f"let the context {context} name an engine that runs, or build without it",
            command="envd-magic context",
        )
    else:
        yield Fix("let DOCKER_HOST name an engine that runs", command="export DOCKER_HOST=…")


def name_engine(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Give DOCKER_HOST the form that it has to have."""
    yield Fix(
        "let DOCKER_HOST be as unix:///path, tcp://machine:2376 or ssh://user@machine",
        command="export DOCKER_HOST=unix:///var/run/docker.sock",
    )


def try_ssh(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let ssh log in without asking."""
    yield Fix(
        "let an agent hold the key, and try until this answers",
        command=f"ssh -o BatchMode=yes {groups(match).get('what', 'HOST')} docker version",
    )


def start_again(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Build again when the engine is back."""
    yield Fix(
        "look why the engine ended, and build again: what was done is in its cache",
        command="sudo journalctl -u docker --since -10min",
    )


def build_again(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Build again after envd was killed."""
    yield Fix(
        "look who ended envd, and build again: what was done is in the engine's cache",
        command="sudo dmesg | tail",
    )


def start_builder(_view: View, _match: re.Match[str], place: Place, _ask: Ask) -> Iterator[Fix]:
    """Start the builder, or build elsewhere."""
    if place.field == "registry":
        yield Fix("start Flyte's sandbox, which has the builder", command="flytectl demo start")
    else:
        yield Fix(
            "start the builder of the context, or choose another", command="envd-magic context"
        )


def make_room(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Make room in the engine."""
    yield Fix("make room in the engine", command="docker builder prune && docker image prune")
    yield Fix("remove images that were built before", command="%envd images --older-than 14")


def memory(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Give the engine more memory, or use less."""
    yield Fix("give the engine more memory, or let the step use less (fewer jobs at once)")


def network(view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the network of containers be looked at."""
    yield Fix(
        "look whether containers reach the network; where a proxy is between, name it in env "
        "(HTTP_PROXY, HTTPS_PROXY) and in the engine's settings",
        command=f"docker run --rm {view.base or 'IMAGE'} getent hosts "
        f"{groups(match).get('host') or 'HOST'}",
    )


def own_platform(view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Build for this machine's processor."""
    own = _MACHINES.get(platform.machine())
    if own and view.platform != own:
        yield Fix(f"build for {own}, this machine's own", (Change("platform", "set", own),))
    elif own:
        yield Fix(f"take a base image that is made for {own}")


def emulation(_view: View, _match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Let the engine emulate the other processor."""
    yield Fix(
        "let the engine emulate other processors",
        command="docker run --privileged --rm tonistiigi/binfmt --install all",
    )


def other_home(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Keep envd_magic's files elsewhere."""
    yield Fix(
        f"let another folder hold what envd_magic keeps, in place of {groups(match)['what']}",
        command="export ENVD_MAGIC_HOME=…",
    )


def other_temporary(_view: View, match: re.Match[str], _place: Place, _ask: Ask) -> Iterator[Fix]:
    """Write the folders of builds elsewhere."""
    yield Fix(
        f"let builds be written elsewhere than to {groups(match)['what']}",
        command="export TMPDIR=…",
    )

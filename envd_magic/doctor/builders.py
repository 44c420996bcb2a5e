"""The builder of a context, where it is not the engine itself: can it be reached?

Nothing is started, and nothing is said to it.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from envd_magic.doctor.finding import FAIL, OK, WARNING, Finding
from envd_magic.envd.contexts import SANDBOX_CONTEXT
from envd_magic.envd.home import kube_variables
from envd_magic.envd.tunnel import REFUSAL, host_and_port, tls_context
from envd_magic.errors import ContextError
from envd_magic.watched import run

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

    from envd_magic.doctor.subject import Machine, Subject
    from envd_magic.envd.home import Home

# Seconds that a builder gets to answer.
_CONNECT = 5.0
# Of what kubectl says, at most.
_MOST_SAID = 300


def builder(machine: Machine, subject: Subject) -> Iterator[Finding]:
    """Does the builder answer, where it is not the engine itself?"""
    home = machine.home(subject)
    if home.in_engine:
        return
    look = _LOOKS.get(home.builder)
    if look is None:
        yield Finding("builder", WARNING, f"a builder of kind {home.builder} is not looked at")
        return
    try:
        yield Finding("builder", OK, look(home))
    except (ContextError, OSError) as error:
        why = getattr(error, "strerror", None) or str(error)
        start = "flytectl demo start" if home.context == SANDBOX_CONTEXT else "envd-magic context"
        text = (
            f"no builder answers at {home.address}, which the context {home.context} names: {why}"
        )
        yield Finding("builder", FAIL, text, start)


def _tcp(home: Home) -> str:
    place = host_and_port(home.address)
    with socket.create_connection(place, timeout=_CONNECT) as plain:
        if not home.certificates:
            return f"{home.address} answers"
        context = tls_context(home.certificates)
        with context.wrap_socket(plain, server_hostname=place[0]) as wrapped:
            _hear(wrapped)
            return f"{home.address} answers, {wrapped.version()}"


def _hear(wrapped: ssl.SSLSocket) -> None:
    wrapped.settimeout(REFUSAL)
    try:
        wrapped.recv(1)
    except TimeoutError:
        return


def _unix(home: Home) -> str:
    with socket.socket(socket.AF_UNIX) as plug:
        plug.settimeout(_CONNECT)
        plug.connect(home.address.removeprefix("unix://"))
    return f"{home.address} answers"


def _container(home: Home) -> str:
    program = home.builder.partition("-")[0]
    _needs(program)
    name = home.address.partition("://")[2]
    return f"{program} is there; envd starts the container {name} where it does not run"


def _pod(home: Home) -> str:
    kubectl = _needs("kubectl")
    # As BuildKit reads it: POD?namespace=…&context=…&container=…
    pod, _, query = home.address.removeprefix("kube-pod://").partition("?")
    fields = {key: values[0] for key, values in parse_qs(query).items()}
    words = [f"--{name}={fields[name]}" for name in ("context", "namespace") if name in fields]
    words += ["get", "pod", pod, "-o", "jsonpath={.status.phase}"]
    command = [kubectl, *words, f"--request-timeout={_CONNECT:.0f}s"]
    try:
        done = run(command, timeout=_CONNECT * 4, env={**kube_variables(), **os.environ})
    except subprocess.TimeoutExpired as error:
        raise ContextError("kubectl does not answer") from error
    if done.returncode != 0:
        raise ContextError(f"kubectl: {done.stderr.strip()[-_MOST_SAID:]}")
    if (phase := done.stdout.strip()) != "Running":
        raise ContextError(f"the pod {pod} is {phase or 'in no phase'}, not Running")
    return f"the pod {pod} is running"


def _needs(program: str) -> str:
    found = shutil.which(program)
    if found is None:
        raise ContextError(f"there is no program {program} on PATH, which this builder needs")
    return found


_LOOKS: dict[str, Callable[[Home], str]] = {
    "tcp": _tcp,
    "unix": _unix,
    "docker-container": _container,
    "nerdctl-container": _container,
    "kube-pod": _pod,
}

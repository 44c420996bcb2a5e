"""Names that are known, and the one that was probably meant."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

INSTALLERS = ("uv", "pip")
#: What can be done with envd's contexts.
CONTEXT_ACTIONS = ("list", "add", "check", "remove")
#: Kinds of envd's builders, and what their address is.
BUILDERS = {
    "moby-worker": "a Docker engine: tcp://machine:2376, ssh://user@machine or unix:///path",
    "docker-container": "name of the container",
    "nerdctl-container": "name of the container",
    "tcp": "machine:port of a buildkitd",
    "unix": "path of the socket of a buildkitd",
    "kube-pod": "name of the pod, as buildkitd-0?namespace=builders&context=team",
}


def close(name: str, known: Iterable[str]) -> str | None:
    """Give the known name that was probably meant."""
    import difflib

    lowered = {one.lower(): one for one in sorted(known)}
    found = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return lowered[found[0]] if found else None


def builders_help() -> str:
    """Give the kinds of builders, a line each, with what their address is."""
    width = max(map(len, BUILDERS))
    lines = [f"  {kind:{width}}  {address}" for kind, address in BUILDERS.items()]
    return "\n".join(["KIND, and what its ADDRESS is:", *lines])


def unknown(kind: str, name: str, known: Iterable[str]) -> str:
    """Say that a name is not known, with the close one, or else what there is."""
    names = sorted(known)
    meant = close(name, names)
    hint = f"did you mean {meant!r}?" if meant else f"there is: {', '.join(names)}"
    return f"unknown {kind} {name!r}; {hint}"

"""Listing, adding and removing the contexts that builds can take."""

from __future__ import annotations

from envd_magic.envd.contexts import (
    SANDBOX_CONTEXT,
    Context,
    add_context,
    added_contexts,
    choose_context,
    remove_context,
)
from envd_magic.envd.home import user_contexts
from envd_magic.envd.program import find_envd
from envd_magic.errors import ContextError
from envd_magic.spec.names import BUILDERS


def listing(asked: str | None = None) -> tuple[list[list[str]], str]:
    """Give a table of the contexts, and which one a build takes and why.

    Parameters
    ----------
    asked
        What a setting says.

    Raises
    ------
    EnvdMagicError
        If there is no envd, or the contexts cannot be read.
    """
    rows = [["context", "builder", "address", "of"]]
    found = [*user_contexts(find_envd()), *added_contexts().values()]
    for one in found:
        of = "envd_magic" if one.added else "envd, current" if one.current else "envd"
        rows.append([one.name, one.builder, _shown_address(one), of])
    name, why = choose_context(asked)
    name = name or next((one.name for one in found if one.current), "default")
    is_there = name == SANDBOX_CONTEXT or any(one.name == name for one in found)
    missing = "" if is_there else ", which is not there"
    told = f"A build takes {name}{missing}: {why}. --context takes another for one build."
    return rows, told


def add(name: str, builder: str | None, address: str | None, certificates: str | None) -> str:
    """Add a context, and say so.

    Raises
    ------
    ContextError
        If it is none, or its name is taken.
    """
    if builder is None:
        raise ContextError(f"--builder is needed: {', '.join(BUILDERS)}")
    new = Context(name, builder, address or "", certificates or "")
    taken = [one.name for one in user_contexts(find_envd())]
    made = add_context(new, [*taken, SANDBOX_CONTEXT])
    return (
        f"Added {made.name} ({made.builder}, {_shown_address(made)}). A build takes it with "
        f"--context {made.name}; whether it answers tells: context check {made.name}"
    )


def remove(name: str) -> str:
    """Remove a context that was added here, and say so.

    Raises
    ------
    ContextError
        If it was not.
    """
    remove_context(name, [one.name for one in user_contexts(find_envd())])
    return f"Removed {name}"


def _shown_address(context: Context) -> str:
    if context.builder == "moby-worker":
        # What envd keeps as its address says nothing: it is found by DOCKER_HOST.
        engine = context.engine
        place = str(engine.host) if engine is not None else "as docker's command line"
    else:
        place = context.address
    return f"{place}{' with TLS' if context.certificates else ''}"

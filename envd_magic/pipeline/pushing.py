"""Pushing what was built, and the index that gives images of several platforms one name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.engine import images
from envd_magic.engine.seen import note_registry
from envd_magic.errors import PushError
from envd_magic.pipeline.events import Notice
from envd_magic.pipeline.retry import retried

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flytekit import ImageSpec

    from envd_magic.engine.client import Engine
    from envd_magic.pipeline.log import BuildLog


class Pushed(NamedTuple):
    """What is pushed.

    Parameters
    ----------
    image
        Its name, with its tag.
    names
        Of the images, in the engine or in the registry already: one for each platform.
    registries
        What the file of ``registry_config`` says.
    """

    image: str
    names: Mapping[str, str]
    registries: bytes = b""


def push(
    engine: Engine, spec: ImageSpec, pushed: Pushed, log: BuildLog, told: Callable[[str], None]
) -> str:
    """Push what an engine has and give the digest that the registry has under its name.

    Parameters
    ----------
    engine
        Where the images are.
    spec
        Whose they are.
    pushed
        Their names.
    log
        Reads what the engine says.
    told
        Is told of each push.

    Raises
    ------
    PushError
        If the registry does not take them.
    """
    image, names = pushed.image, pushed.names
    others = _others(engine, spec, pushed, log) if len(names) == 1 else []
    if others:
        names = {platform: f"{image}-{platform.replace('/', '-')}" for platform in names}
        for platform, name in names.items():
            images.tag(engine, pushed.names[platform], name)
    digest = ""
    for name in names.values():
        told(name)
        digest = retried(partial(images.push, engine, name, log.line), log)
    note_registry(spec.registry)
    if len(names) == 1 and not others:
        return digest
    return push_index(pushed._replace(names=names), told, log, engine, others)


def push_index(
    pushed: Pushed,
    told: Callable[[str], None],
    log: BuildLog,
    engine: Engine | None = None,
    others: Sequence[Mapping[str, object]] = (),
) -> str:
    """Give images that are in the registry one name, and give the digest of that.

    Parameters
    ----------
    pushed
        Their names.
    told
        Is told of the push.
    log
        Is told where it is tried again.
    engine
        One whose word counts on how the registry is reached.
    others
        Entries of other platforms, which stay.

    Raises
    ------
    PushError
        If the registry does not take it.
    """
    # Imported here, since most builds are for one platform.
    from envd_magic.engine import registry

    told(f"{pushed.image} (index)")
    ask = partial(registry.push_index, pushed.image, pushed.names)
    return retried(partial(ask, config=pushed.registries, engine=engine, keep=others), log)


def _others(
    engine: Engine, spec: ImageSpec, pushed: Pushed, log: BuildLog
) -> Sequence[Mapping[str, object]]:
    """Find what other platforms have under the same name, which a push would take away.

    Where the tag tells of the spec, it tells of its platform too.
    """
    if "{spec_hash" in (spec.tag_format or "{spec_hash}"):
        return []
    from envd_magic.engine.registry import other_platforms

    platform = next(iter(pushed.names))
    try:
        found = other_platforms(pushed.image, platform, config=pushed.registries, engine=engine)
    except PushError as error:
        # The engine may know of certificates and logins that are not known here.
        log.line(str(error))
        return []
    if found:
        there = ", ".join(sorted({_name(entry) for entry in found}))
        log.emit(Notice(f"{pushed.image} is for {there} too: those images stay as they were"))
    return found


def _name(entry: Mapping[str, object]) -> str:
    from envd_magic.engine.registry import platform_of

    return platform_of(entry)

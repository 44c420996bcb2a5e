"""Images in the engine: looking, pulling, tagging, finishing, pushing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from envd_magic.engine.client import Engine, explained
from envd_magic.engine.passing import TRIED, is_passing
from envd_magic.engine.trust import is_denial, registry_of, with_advice
from envd_magic.errors import BaseImageError, EngineError, PushError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

#: Repository of what is being built.
BUILDS = "envd_magic-build"
#: Repository of what was installed, kept for the builds that install the same.
DEPENDENCIES = "envd_magic-dependencies"
#: What tags of theirs begin with, in a repository that a team shares.
SHARED = "envd_magic-dependencies-"
#: How many of those stay.
MOST_DEPENDENCIES = 20
#: On every image that is built here: the digest of the recipe that made it.
RECIPE_LABEL = "io.github.envd-magic.recipe"
#: Beside it: the digest of the layers that the build made.
LAYERS_LABEL = "io.github.envd-magic.layers"
# How an engine tells that it asks a registry again.
_AGAIN = "Retrying"
# Of an archive with nothing in it: what a commit adds on some engines.
_EMPTY_LAYER = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"


@dataclass(frozen=True)
class ImageInfo:
    """What the engine knows of an image.

    Parameters
    ----------
    id
        ``sha256:…`` of its configuration.
    config
        The ``Config`` part of ``docker inspect``.
    platform
        As "linux/amd64".
    size
        Bytes, all layers.
    digests
        ``name@sha256:…`` of the registries that it was pulled from or pushed to.
    layers
        Digests of its layers, the lowest first.
    """

    id: str
    config: Mapping[str, Any]
    platform: str
    size: int = 0
    digests: tuple[str, ...] = field(default=())
    layers: tuple[str, ...] = field(default=())

    @property
    def env(self) -> dict[str, str]:
        """Its variables, in order."""
        pairs = (item.partition("=") for item in self.config.get("Env") or [])
        return {name: value for name, _, value in pairs}

    @property
    def labels(self) -> dict[str, str]:
        """Its labels."""
        return dict(self.config.get("Labels") or {})

    @property
    def layers_digest(self) -> str:
        """A digest of its layers, empty ones on top left out."""
        layers = list(self.layers)
        while layers[-1:] == [_EMPTY_LAYER]:
            layers.pop()
        return hashlib.sha256("\n".join(layers).encode()).hexdigest()


def inspect(engine: Engine, name: str) -> ImageInfo | None:
    """Look at an image in the engine; None if it is not there."""
    from docker.errors import ImageNotFound

    with explained(f"look at the image {name}"):
        try:
            found = engine.api.inspect_image(name)
        except ImageNotFound:
            return None
    variant = f"/{found['Variant']}" if found.get("Variant") else ""
    return ImageInfo(
        id=found["Id"],
        config=found.get("Config") or {},
        platform=f"{found.get('Os', 'linux')}/{found.get('Architecture', '')}{variant}",
        size=found.get("Size", 0),
        digests=tuple(found.get("RepoDigests") or ()),
        layers=tuple((found.get("RootFS") or {}).get("Layers") or ()),
    )


def registry_digest(engine: Engine, name: str) -> str | None:
    """Give the digest that a registry has under a name, asked through the engine.

    Returns
    -------
    str or None
        None if the registry has no such image. Some deny a repository that the first push makes,
        to whoever asks for it: where the login is accepted, that is none either.

    Raises
    ------
    EngineError
        If the registry cannot be asked.
    """
    from envd_magic.engine.distribution import accepts_login

    try:
        found = _distribution(engine, name)
    except EngineError as error:
        if is_denial(str(error)) and accepts_login(name):
            return None
        raise
    return None if found is None else str(found["Descriptor"]["digest"])


def registry_platforms(engine: Engine, name: str) -> list[str] | None:
    """Give the platforms that a registry has an image for, asked through the engine.

    Returns
    -------
    list of str or None
        None if the registry has no such image; empty if it does not tell platforms.

    Raises
    ------
    EngineError
        If the registry cannot be asked.
    """
    found = _distribution(engine, name)
    if found is None:
        return None
    keys = ("os", "architecture", "variant")
    every = ["/".join(filter(None, map(one.get, keys))) for one in found.get("Platforms") or ()]
    # What describes an image (an attestation) is for none.
    return [one for one in every if one and "unknown" not in one]


def _distribution(engine: Engine, name: str) -> dict[str, Any] | None:
    from docker.errors import APIError, NotFound

    with explained(f"ask the registry for {name}", registry=registry_of(name)):
        try:
            found: dict[str, Any] = engine.api.inspect_distribution(name)
        except NotFound:
            return None
        except APIError as error:
            # Registries that have never heard of the repository say so in ways of their own.
            said = str(error.explanation)
            if re.search(r"not found|(manifest|name) unknown", said, re.IGNORECASE):
                return None
            raise
    return found


def base_image(
    engine: Engine, name: str, platform: str, report: Callable[[str], None]
) -> ImageInfo:
    """Give the base image, pulled if the engine does not have it for this platform.

    Raises
    ------
    BaseImageError
        If it is not to be had.
    """
    found = inspect(engine, name)
    if found is not None and same_platform(found.platform, platform):
        return found
    report(f"Pulling {name} for {platform}")
    try:
        pull(engine, name, platform, report, BaseImageError)
    except BaseImageError as error:
        if found is None and not is_passing(str(error)):
            raise BaseImageError(
                f"{error}\nbase_image: it is not in the engine either; check the name"
            ) from error
        raise
    pulled = inspect(engine, name)
    if pulled is None or not same_platform(pulled.platform, platform):
        has = f"; it has {pulled.platform}" if pulled else ""
        raise BaseImageError(f"platform: the base image {name} has no {platform}{has}")
    if found is not None and "@" not in name:
        # The pull moved the user's tag to another platform's image; it goes back.
        tag(engine, found.id, name)
    return pulled


def pull(
    engine: Engine,
    name: str,
    platform: str,
    report: Callable[[str], None],
    kind: type[EngineError] = EngineError,
) -> None:
    """Pull an image.

    Raises
    ------
    EngineError
        Of the given kind, if it is not to be had.
    """
    registry = registry_of(name)
    what = "the base image " if kind is BaseImageError else ""
    with explained(f"pull {what}{name}", kind, registry):
        seen: set[str] = set()
        tried = ""
        events = engine.api.pull(*split_name(name), platform=platform, stream=True, decode=True)
        for event in events:
            if "error" in event:
                said = with_advice(str(event["error"]), registry)
                raise kind(f"Cannot pull {what}{name}: {said}{tried}")
            status = f"{event.get('id', '')} {event.get('status', '')}".strip()
            again = event.get("status", "").startswith(_AGAIN)
            tried = f" ({TRIED})" if again else tried
            if status not in seen and (again or "ing" not in event.get("status", "")):
                seen.add(status)
                report(status)


def same_platform(has: str, wanted: str) -> bool:
    """Is a platform the one that is wanted?"""
    # arm64 is arm64/v8.
    return has.removesuffix("/v8") == wanted.removesuffix("/v8")


def split_name(name: str) -> tuple[str, str]:
    """Repository and tag (or digest), as the engine's API takes them."""
    repository, at, digest = name.partition("@")
    if at:
        return split_name(repository)[0] if ":" in repository.rsplit("/", 1)[
            -1
        ] else repository, digest
    head, colon, tag = name.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (name, "latest")


def repository(name: str) -> str:
    """Give the name of an image without its tag."""
    return split_name(name)[0]


def tag(engine: Engine, image: str, name: str) -> None:
    """Give an image one more name."""
    with explained(f"tag the image as {name}"):
        engine.api.tag(image, *split_name(name), force=True)


def hold(engine: Engine, image: str, name: str) -> bool:
    """Give an image a name that nobody else takes away; tell whether it is there at all.

    Builds side by side take names away from images that others have just found: what has lost
    its last name is gone.
    """
    from docker.errors import NotFound

    with explained(f"tag the image as {name}"):
        try:
            engine.api.tag(image, *split_name(name), force=True)
        except NotFound:
            return False
    return True


def untag(engine: Engine, names: Iterable[str]) -> list[str]:
    """Take names away; an image that has others, or children, stays.

    Returns
    -------
    list of str
        The names that were not there.
    """
    from docker.errors import APIError, NotFound

    missing = []
    for name in names:
        with explained(f"remove the name {name}"):
            try:
                engine.api.remove_image(name, noprune=True)
            except NotFound:
                missing.append(name)
            except APIError as error:
                if error.status_code != 409:  # noqa: PLR2004 - in use: it keeps its name
                    raise
    return missing


def own_names(engine: Engine) -> list[str]:
    """List the names that builds of anybody have given beside those that were asked for.

    An engine lists some of its images no faster than all, so that they are listed once.
    """
    patterns = (f"{BUILDS}:*", "127.0.0.1:*/envd_magic/*:*", f"{DEPENDENCIES}:*")
    with explained("list the images"):
        found = engine.api.images(filters={"reference": [*patterns]})
    return [name for image in found for name in image.get("RepoTags") or ()]


def old_dependencies(engine: Engine, names: Iterable[str]) -> Iterator[str]:
    """Find the kept dependencies that are more than are kept, those used longest ago.

    Each is looked at again when it is given: a build may have taken it meanwhile.

    Parameters
    ----------
    engine
        Where they are.
    names
        As :func:`own_names` gives them.
    """
    names = [name for name in names if name.startswith(f"{DEPENDENCIES}:")]
    if len(names) <= MOST_DEPENDENCIES:
        return
    with explained("look for what is kept"):
        when = {name: _last_tagged(engine, name) for name in names}
        old = sorted(names, key=when.__getitem__, reverse=True)[MOST_DEPENDENCIES:]
        for name in old:
            # Who takes one names it again.
            if _last_tagged(engine, name) == when[name]:
                yield from (*_shared_names(engine, name), name)


def _shared_names(engine: Engine, name: str) -> list[str]:
    """Find the names that kept dependencies have as part of a team's cache."""
    from docker.errors import ImageNotFound

    try:
        tags = engine.api.inspect_image(name).get("RepoTags") or ()
    except ImageNotFound:
        return []
    return [one for one in tags if split_name(one)[1].startswith(SHARED)]


def _last_tagged(engine: Engine, name: str) -> str:
    from docker.errors import ImageNotFound

    try:
        return str((engine.api.inspect_image(name).get("Metadata") or {}).get("LastTagTime"))
    except ImageNotFound:
        return ""


def push(engine: Engine, name: str, report: Callable[[str], None]) -> str:
    """Push an image and give the digest that the registry has it under.

    Raises
    ------
    PushError
        If the registry did not take it.
    """
    seen: dict[str, str] = {}
    digest, tried = "", ""
    registry = registry_of(name)
    with explained(f"push {name}", PushError, registry):
        for event in engine.api.push(*split_name(name), stream=True, decode=True):
            if "error" in event:
                said = with_advice(str(event["error"]), registry)
                raise PushError(f"Cannot push {name}: {said}{tried}")
            aux = event.get("aux") or {}
            digest = aux.get("Digest", digest)
            layer, status = event.get("id", ""), event.get("status", "")
            if status and seen.get(layer) != status:
                seen[layer] = status
                report(f"{layer}: {status}" if layer else status)
                if status.startswith(_AGAIN):
                    tried = f" ({TRIED})"
    if not digest:
        raise PushError(f"The registry took {name} but told no digest")
    return digest

"""What the engine's API cannot do or tell of a registry, asked of the registry itself.

It can push images, but not the index that gives those of several platforms one name; and of an
image that it does not have it tells the digest, but not what was set in it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from envd_magic.engine.distribution import Repository
from envd_magic.engine.images import ImageInfo, same_platform, split_name
from envd_magic.errors import EngineError, PushError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from envd_magic.engine.client import Engine

_DOCKER_INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"
_OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_ACCEPT = {"Accept": f"{_DOCKER_MANIFEST}, {_OCI_MANIFEST}, {_DOCKER_INDEX}, {_OCI_INDEX}"}


def push_index(
    image: str,
    images: Mapping[str, str],
    *,
    config: bytes = b"",
    engine: Engine | None = None,
    keep: Iterable[Mapping[str, Any]] = (),
) -> str:
    """Put an index of pushed images under one name and give its digest.

    Parameters
    ----------
    image
        The name, with its tag.
    images
        Name of the pushed image for each platform ("linux/arm64"), in the same repository.
    config
        What the file of ``registry_config`` says.
    engine
        One whose word counts on how the registry is reached.
    keep
        Entries of an index of before, for other platforms.

    Raises
    ------
    PushError
        If the registry does not take it.
    """
    doing = f"push the index {image}"
    repository = Repository(image, doing, PushError, config=config, engine=engine)
    entries = [dict(entry) for entry in keep]
    for platform, name in images.items():
        found = repository.request("GET", name.rpartition(":")[2], headers=_ACCEPT)
        own = _entries(found.json())
        if own is None:
            entries.append(_entry(found, platform))
        elif fitting := [one for one in own if same_platform(platform_of(one), platform)]:
            # Some builders push an index of one image.
            entries += fitting
        else:
            raise PushError(f"Cannot {doing}: {name} has no image for {platform}")
    entries.sort(key=platform_of)
    kind = _OCI_INDEX if any(e["mediaType"] == _OCI_MANIFEST for e in entries) else _DOCKER_INDEX
    index = json.dumps({"schemaVersion": 2, "mediaType": kind, "manifests": entries}).encode()
    tag = image.rpartition(":")[2]
    put = repository.request("PUT", tag, data=index, headers={"Content-Type": kind})
    return str(put.headers["Docker-Content-Digest"])


def _entry(found: Any, platform: str) -> dict[str, Any]:
    system, architecture, *variant = platform.split("/")
    return {
        "mediaType": found.headers["Content-Type"],
        "size": len(found.content),
        "digest": found.headers["Docker-Content-Digest"],
        "platform": {
            "os": system,
            "architecture": architecture,
            **({"variant": variant[0]} if variant else {}),
        },
    }


def _entries(manifest: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Give what an index lists, None of a manifest that is none."""
    found: list[dict[str, Any]] | None = manifest.get("manifests")
    return found


def platform_of(entry: Mapping[str, Any]) -> str:
    """Give the platform of an entry of an index, as "linux/arm64"."""
    known = entry.get("platform") or {}
    parts = (known.get("os"), known.get("architecture"), known.get("variant"))
    return "/".join(part for part in parts if part)


def other_platforms(
    image: str, platform: str, *, config: bytes = b"", engine: Engine | None = None
) -> list[dict[str, Any]]:
    """Give the entries that the index under a name has for other platforms, none if it is none.

    Raises
    ------
    PushError
        If the registry cannot be asked.
    """
    doing = f"look for the index {image}"
    repository = Repository(image, doing, PushError, config=config, engine=engine)
    found = repository.find(image.rpartition(":")[2], headers=_ACCEPT)
    entries = (_entries(found.json()) if found is not None else None) or ()
    # What describes an image (an attestation) has a platform of its own, and goes with the image.
    others = [one for one in entries if not same_platform(platform_of(one), platform)]
    return [one for one in others if "unknown" not in platform_of(one)]


def images_in_registry(image: str, digest: str, platforms: Iterable[str]) -> list[ImageInfo]:
    """Look at an image without pulling it, at each of its platforms if it is an index.

    Parameters
    ----------
    image
        Its name, with its tag.
    digest
        What the registry has under it.
    platforms
        Those that are wanted.

    Returns
    -------
    list of ImageInfo
        Nothing for a platform that it has not.

    Raises
    ------
    EngineError
        If the registry does not show it.
    """
    repository = Repository(image, f"look at {image} in its registry", EngineError)
    manifest = repository.json(digest, headers=_ACCEPT)
    entries = _entries(manifest)
    if entries is None:
        return [_image(repository, digest, manifest)]
    wanted = [
        one
        for platform in platforms
        for one in entries
        if same_platform(platform_of(one), platform)
    ]
    return [
        _image(repository, digest, repository.json(one["digest"], headers=_ACCEPT))
        for one in wanted
    ]


def registry_platforms(image: str, config: bytes, seconds: float) -> list[str] | None:
    """Give the platforms that a registry has an image for, where no engine can ask it.

    Parameters
    ----------
    image
        Its name.
    config
        What the file of ``registry_config`` says.
    seconds
        How long one answer may take.

    Returns
    -------
    list of str or None
        None if the registry has no such image.

    Raises
    ------
    EngineError
        If the registry cannot be asked.
    """
    doing = f"ask the registry for {image}"
    name, reference = split_name(image)
    repository = Repository(f"{name}:x", doing, config=config, seconds=seconds)
    found = repository.find(reference, headers=_ACCEPT)
    if found is None:
        return None
    entries = _entries(found.json())
    if entries is None:
        return [_image(repository, reference, found.json()).platform]
    every = map(platform_of, entries)
    return [one for one in every if one and "unknown" not in one]


def tags_of(image: str, seconds: float) -> list[str]:
    """Give the tags in the repository of an image.

    Parameters
    ----------
    image
        Its name, with a tag.
    seconds
        How long one answer may take.

    Raises
    ------
    EngineError
        If the registry does not tell.
    """
    repository = Repository(image, f"list the tags of {image}", seconds=seconds)
    found = repository.json("list", kind="tags").get("tags")
    return [str(tag) for tag in found or ()]


def _image(repository: Repository, digest: str, manifest: Mapping[str, Any]) -> ImageInfo:
    found = repository.json(manifest["config"]["digest"], kind="blobs")
    platform = f"{found.get('os', 'linux')}/{found.get('architecture', '')}"
    return ImageInfo(id=digest, config=found.get("config") or {}, platform=platform)

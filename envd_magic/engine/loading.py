"""An image that differs in its settings alone, out of an archive that names layers and has none.

An engine that keeps layers itself takes from an archive those that it lacks, and lacks none of an
image that it has built. A commit gives the same and takes half as long again: it makes a container,
mounts it, packs what is new in it, which is nothing, and leaves what envd built as a hidden parent.
The form is that of ``docker save``,
https://github.com/moby/docker-image-spec/blob/main/spec.md.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from envd_magic.engine.client import Engine, explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envd_magic.engine.images import ImageInfo

_DOING = "finish the image"
# What an engine says of an image that it has taken.
_TAKEN = "Loaded image"


def load_as(engine: Engine, built: ImageInfo, config: Mapping[str, Any], name: str) -> str | None:
    """Make an image of the layers of another.

    Parameters
    ----------
    engine
        One that keeps layers.
    built
        The other image.
    config
        All settings, as ``docker inspect`` has them under ``Config``.
    name
        The name of the new one.

    Returns
    -------
    str or None
        Its ID; None where the engine does not take it, or does not tell how the layers have come
        to be.

    Raises
    ------
    EngineError
        If the engine does not answer.
    """
    from docker.errors import APIError

    history = _history(engine, built)
    if history is None:
        return None
    system, architecture, *variant = built.platform.split("/")
    now = datetime.now(timezone.utc).isoformat()
    image = {
        "architecture": architecture,
        "os": system,
        **({"variant": variant[0]} if variant else {}),
        "created": now,
        "config": config,
        "rootfs": {"type": "layers", "diff_ids": list(built.layers)},
        "history": [*history, {"created": now, "created_by": "envd_magic", "empty_layer": True}],
    }
    content = json.dumps(image).encode()
    digest = hashlib.sha256(content).hexdigest()
    manifest = {
        "Config": f"{digest}.json",
        "RepoTags": [name],
        # Files that are not there, and that no engine looks for which has the layers.
        "Layers": [f"{number}/layer.tar" for number in range(len(built.layers))],
    }
    files = {f"{digest}.json": content, "manifest.json": json.dumps([manifest]).encode()}
    with explained(_DOING):
        try:
            told = engine.api.load_image(packed(files), quiet=True)
            taken = any(_TAKEN in one.get("stream", "") for one in told)
        except APIError:
            taken = False
    return f"sha256:{digest}" if taken else None


def _history(engine: Engine, built: ImageInfo) -> list[dict[str, Any]] | None:
    with explained(_DOING):
        told: Sequence[Mapping[str, Any]] = engine.api.history(built.id)
    # Where a step left no layer, it is not told which one.
    if len(told) != len(built.layers):
        return None
    return [
        {
            "created": datetime.fromtimestamp(one["Created"], timezone.utc).isoformat(),
            "created_by": one["CreatedBy"],
            "comment": one["Comment"],
        }
        for one in reversed(told)
    ]


def packed(files: Mapping[str, bytes]) -> bytes:
    """Give an archive of files."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))
    return content.getvalue()

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
from typing import TYPE_CHECKING, Any, NamedTuple

from envd_magic.engine.client import Engine, explained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envd_magic.engine.images import ImageInfo

_DOING = "finish the image"
# What an engine says of an image that it has taken, before its name.
_TAKEN = "Loaded image: "


class Loadable(NamedTuple):
    """An image that an archive can have.

    Parameters
    ----------
    name
        What it is to be called.
    config
        Its configuration, as a file.
    layers
        How many it has.
    """

    name: str
    config: bytes
    layers: int

    @property
    def digest(self) -> str:
        """Of its configuration."""
        return hashlib.sha256(self.config).hexdigest()

    @property
    def id(self) -> str:
        """What an engine calls it that keeps layers itself."""
        return f"sha256:{self.digest}"


def loadable(
    engine: Engine, built: ImageInfo, settings: Mapping[str, Any], name: str
) -> Loadable | None:
    """Describe an image of the layers of another.

    Parameters
    ----------
    engine
        Where the other is.
    built
        The other image.
    settings
        All, as ``docker inspect`` has them under ``Config``.
    name
        The name of the new one.

    Returns
    -------
    Loadable or None
        None where the engine does not tell how the layers have come to be.

    Raises
    ------
    EngineError
        If the engine does not answer.
    """
    history = _history(engine, built)
    if history is None:
        return None
    system, architecture, *variant = built.platform.split("/")
    now = datetime.now(timezone.utc).isoformat()
    config = {
        "architecture": architecture,
        "os": system,
        **({"variant": variant[0]} if variant else {}),
        "created": now,
        "config": settings,
        "rootfs": {"type": "layers", "diff_ids": list(built.layers)},
        "history": [*history, {"created": now, "created_by": "envd_magic", "empty_layer": True}],
    }
    return Loadable(name, json.dumps(config).encode(), len(built.layers))


def load(engine: Engine, found: Sequence[Loadable]) -> set[str]:
    """Let an engine take images.

    Parameters
    ----------
    engine
        One that keeps layers, and has theirs.
    found
        The images.

    Returns
    -------
    set of str
        The names of those that it has taken.

    Raises
    ------
    EngineError
        If the engine does not answer.
    """
    from docker.errors import APIError

    files = {f"{one.digest}.json": one.config for one in found}
    files["manifest.json"] = json.dumps([_entry(one) for one in found]).encode()
    taken: set[str] = set()
    with explained(_DOING):
        try:
            for told in engine.api.load_image(packed(files), quiet=True):
                _, said, name = told.get("stream", "").partition(_TAKEN)
                if said:
                    taken.add(name.strip())
        except APIError:
            # It refuses one: those that it has named it has.
            pass
    return taken


def _entry(one: Loadable) -> dict[str, Any]:
    # Files that are not there, and that no engine looks for which has the layers.
    layers = [f"{number}/layer.tar" for number in range(one.layers)]
    return {"Config": f"{one.digest}.json", "RepoTags": [one.name], "Layers": layers}


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

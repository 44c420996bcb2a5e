"""A base image for two platforms, and what else registries are told by hand."""

from __future__ import annotations

import hashlib
import json
import subprocess
import uuid
from typing import TYPE_CHECKING

import requests

from envd_magic.engine.registry import push_index

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab

BOTH = ("linux/amd64", "linux/arm64")
V2 = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


def two_platform_base(lab: Lab, folder: Path) -> str:
    """Make a base image without programs, for both platforms."""
    (folder / "root").mkdir()
    archive = folder.parent / f"{folder.name}.tar"
    subprocess.run(["tar", "-C", str(folder), "-cf", str(archive), "."], check=True)
    name = f"{lab.registry}/lab/two:{uuid.uuid4().hex}"
    tags = {}
    for platform in BOTH:
        tags[platform] = f"{name}-{platform.rpartition('/')[2]}"
        change = ["-c", f"ENV FROM={platform}", "-c", 'CMD ["x"]']
        lab.docker("import", *change, str(archive), tags[platform])
        lab.docker("push", "-q", tags[platform])
        lab.docker("rmi", tags[platform])
        _relabel(lab.registry, tags[platform], platform.rpartition("/")[2])
    push_index(name, tags)
    return name


def _relabel(registry: str, image: str, architecture: str) -> None:
    """Say in an image's settings that it is for another architecture; `docker import` cannot."""
    tag = image.rpartition(":")[2]
    top = f"http://{registry}/v2/lab/two"
    manifest = requests.get(f"{top}/manifests/{tag}", headers={"Accept": V2}, timeout=10).json()
    config = requests.get(f"{top}/blobs/{manifest['config']['digest']}", timeout=10).json()
    content = json.dumps({**config, "architecture": architecture}).encode()
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    started = requests.post(f"{top}/blobs/uploads/", timeout=10)
    place = started.headers["Location"]
    place = place if place.startswith("http") else f"http://{registry}{place}"
    requests.put(place, params={"digest": digest}, data=content, timeout=10).raise_for_status()
    manifest["config"].update(digest=digest, size=len(content))
    body = json.dumps(manifest).encode()
    put = requests.put(
        f"{top}/manifests/{tag}", data=body, headers={"Content-Type": V2}, timeout=10
    )
    put.raise_for_status()

"""Several platforms: one build each, one name for all."""

from __future__ import annotations

import hashlib
import json
import subprocess
import uuid
from typing import TYPE_CHECKING

import pytest
import requests
from flytekit import ImageSpec

from envd_magic import BaseImageError, build
from envd_magic.engine.registry import push_index

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab

BOTH = ("linux/amd64", "linux/arm64")
V2 = "application/vnd.docker.distribution.manifest.v2+json"
INDEX = "application/vnd.docker.distribution.manifest.list.v2+json"


@pytest.fixture(scope="module")
def two_platforms(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A base image without programs, for both platforms."""
    folder = tmp_path_factory.mktemp("rootfs")
    (folder / "root").mkdir()
    archive = folder.parent / "rootfs.tar"
    subprocess.run(["tar", "-C", str(folder), "-cf", str(archive), "."], check=True)
    name = f"{lab.registry}/lab/two:{uuid.uuid4().hex}"
    tags = {}
    for platform in BOTH:
        tags[platform] = f"{name}-{platform.rpartition('/')[2]}"
        change = ["-c", f"ENV FROM={platform}", "-c", 'CMD ["x"]']
        lab.docker("import", *change, str(archive), tags[platform])
        lab.docker("push", "-q", tags[platform])
        lab.docker("rmi", tags[platform])
        relabel(lab.registry, tags[platform], platform.rpartition("/")[2])
    push_index(name, tags)
    return name


def relabel(registry: str, image: str, architecture: str) -> None:
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


def test_both_platforms_are_built_and_pushed_under_one_name(
    lab: Lab, two_platforms: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("a")
    spec = ImageSpec(
        name="several",
        registry=lab.registry,
        base_image=two_platforms,
        platform=",".join(BOTH),
        env={"SEED": "a\nb"},
        copy=["a.txt"],
    )
    result = build(spec, force=True)
    name, _, tag = result.image.removeprefix(f"{lab.registry}/").partition(":")
    url = f"http://{lab.registry}/v2/{name}/manifests/{tag}"
    index = requests.get(url, headers={"Accept": INDEX}, timeout=10)
    assert index.headers["Docker-Content-Digest"] == result.digest
    listed = [entry["platform"]["architecture"] for entry in index.json()["manifests"]]
    assert listed == ["amd64", "arm64"]
    for platform in BOTH:
        found = lab.inspect(result.platforms[platform])
        env = dict(item.split("=", 1) for item in found["Config"]["Env"])
        assert f"{found['Os']}/{found['Architecture']}" == platform
        assert (env["FROM"], env["SEED"]) == (platform, "a\nb")
        assert found["Config"]["Cmd"] == ["x"]


def test_a_platform_that_the_base_lacks_is_named(lab: Lab) -> None:
    spec = ImageSpec(name="lacks", base_image=lab.base_image, platform="linux/s390x")
    with pytest.raises(BaseImageError, match="linux/s390x"):
        build(spec, force=True)

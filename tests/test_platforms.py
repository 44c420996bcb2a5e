"""Several platforms: one build each, one name for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from flytekit import ImageSpec

from envd_magic import BaseImageError, build

from .platforms import BOTH, INDEX, two_platform_base

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab


@pytest.fixture(scope="module")
def two_platforms(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> str:
    return two_platform_base(lab, tmp_path_factory.mktemp("rootfs"))


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

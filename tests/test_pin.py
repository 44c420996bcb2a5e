"""`%envd pin`: the exact versions that a real build resolved."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from IPython.core.error import UsageError

from envd_magic import build

from .indexes import served, wheel
from .shells import shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .lab import Lab

SIX = "8abb2f1d86890a2dfb989f9a77cfcfd3e47c2a354b01111771326f8aa26e0254"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def index(lab: Lab, gateway: str, folder: Path) -> Iterator[str]:
    """An index with two packages in several versions; one needs the other."""
    for version in ("1.0", "1.5", "2.0"):
        wheel(folder / "index", "pinme-low", version)
    wheel(folder / "index", "pinme-top", "3.0+cu1", requires=["pinme-low>=1"])
    with served(folder / "index") as port:
        yield f"http://{gateway}:{port}/"


def local(index: str, **fields: Any) -> ImageSpec:
    """Make a spec whose packages come from the index; each is built once."""
    host = index.split("/")[2].partition(":")[0]
    args = f"--trusted-host {host}"
    return ImageSpec(
        pip_extra_index_url=[index],
        pip_extra_args=args,
        commands=[f"echo {os.urandom(4).hex()} > /mark"],
        **fields,
    )


def pinned(spec: ImageSpec) -> tuple[ImageSpec, str]:
    """Build and pin a spec; give what came of it and what was said."""
    ip = shell()
    build(spec)
    ip.user_ns["spec"] = spec
    told = ip.do("%envd pin spec exact")
    return ip.user_ns["exact"], told


def installed(lab: Lab, spec: ImageSpec) -> list[str]:
    listed = lab.run(build(spec).image, "python", "-m", "pip", "list", "--format", "freeze")
    return sorted(listed.splitlines())


def test_extras_markers_nested_files_and_constraints_become_exact_versions(
    lab: Lab, index: str, folder: Path
) -> None:
    (folder / "r.txt").write_text("-r more.txt\n-c limits.txt\npinme-top  # all\n")
    (folder / "more.txt").write_text("idna ; python_version >= '3.8'\nsetuptools\n")
    (folder / "limits.txt").write_text("pinme-low<2\nnever-asked<3\n")
    wanted = ["requests[socks]>=2.20", 'tomli ; python_version < "3.0"', "six"]
    spec = local(index, name="pin-all", packages=wanted, requirements="r.txt")
    exact, told = pinned(spec)
    names = [re.split(r"\[|==", one)[0].lower() for one in exact.packages]
    assert all(re.fullmatch(r"[\w.\-]+(\[socks\])?==[\w.+]+", one) for one in exact.packages)
    assert "pinme-low==1.5" in exact.packages
    assert "pinme-top==3.0+cu1" in exact.packages
    assert any(one.startswith("requests[socks]==") for one in exact.packages)
    # What was asked for and was there before is named, what nobody asked for is not.
    assert {"idna", "pysocks", "urllib3", "six", "setuptools"} <= set(names)
    assert not {"tomli", "never-asked", "pip"} & set(names)
    assert exact.requirements is None
    assert "# note" not in told
    # The pinned spec makes the same, and says the same of itself, whatever comes out later.
    wheel(folder / "index", "pinme-top", "4.0")
    assert installed(lab, exact) == installed(lab, spec)
    assert pinned(exact)[0].packages == exact.packages


def test_what_a_file_says_beside_versions_stays(lab: Lab, index: str, folder: Path) -> None:
    (folder / "r.txt").write_text(f"six==1.16.0 --hash=sha256:{SIX}\n")
    exact, told = pinned(
        local(index, name="pin-hash", packages=["pinme-top"], requirements="r.txt")
    )
    assert exact.packages == ["pinme-low==2.0", "pinme-top==3.0+cu1"]
    assert exact.requirements == "r.txt"
    assert "# note: requirements: the file stays, for its hashes" in told
    assert installed(lab, exact)


def test_what_names_its_own_place_stays_as_it_is(lab: Lab, index: str, folder: Path) -> None:
    path = f"{index}pinme-low/pinme_low-1.0-py3-none-any.whl"
    (folder / "r.txt").write_text(f"--extra-index-url {index}\npinme-top\n")
    spec = local(index, name="pin-url", packages=[f"pinme-low @ {path}"], requirements="r.txt")
    exact, told = pinned(spec)
    assert exact.packages == [f"pinme-low @ {path}", "pinme-top==3.0+cu1"]
    assert "the file stays, for --extra-index-url" in told
    assert exact.requirements == "r.txt"


def test_an_older_version_that_comes_later_on_the_path_does_not_count(lab: Lab) -> None:
    info = "/usr/lib/python3/dist-packages/toml-0.1.dist-info"
    said = "Metadata-Version: 2.1\\nName: toml\\nVersion: 0.1\\n"
    base = lab.derive("pin-older", [f"RUN mkdir -p {info} && printf '{said}' > {info}/METADATA"])
    exact, _ = pinned(ImageSpec(name="pin-older", base_image=base, packages=["toml>=0.10"]))
    assert exact.packages == ["toml==0.10.2"]


def test_packages_that_are_elsewhere_are_told(lab: Lab) -> None:
    from envd_magic.errors import CommandError

    spec = ImageSpec(name="pin-target", packages=["six"], pip_extra_args="--target /opt/there")
    with pytest.raises(CommandError, match="the packages are where Python does not look"):
        pinned(spec)


def test_pin_needs_the_image(lab: Lab) -> None:
    with pytest.raises(UsageError, match="is not in the engine; first: %envd build"):
        shell().do("%envd pin 'ImageSpec(name=\"never-built\")'")

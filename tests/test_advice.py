"""Warnings that save a build, and builds that they must not trouble."""

from __future__ import annotations

import importlib.metadata
import sys
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection
from packaging.version import Version

from envd_magic import preview
from envd_magic.engine import containers
from envd_magic.engine.client import Engine
from envd_magic.engine.containers import PythonOf, python_of
from envd_magic.engine.images import inspect
from envd_magic.pipeline.advice import advice
from envd_magic.pipeline.base_python import base_python
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.log import BuildLog
from envd_magic.pipeline.options import Options
from envd_magic.spec.requirements import Requirements, read_requirements
from envd_magic.spec.secrets import Secrets

if TYPE_CHECKING:
    from .lab import Lab

HERE = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHER = f"{sys.version_info.major}.{sys.version_info.minor + 1}"
FLYTEKIT = importlib.metadata.version("flytekit")
MAJOR, MINOR = Version(FLYTEKIT).release[:2]
GOOD = PythonOf(HERE, FLYTEKIT)


def told(base: PythonOf | None = GOOD, **fields: Any) -> list[str]:
    spec = ImageSpec(name="x", **fields)
    named = read_requirements(spec.requirements) if spec.requirements else Requirements()
    return list(advice(spec, named, base))


# Python.


@pytest.mark.parametrize("version", [OTHER, f"{OTHER}.4"])
def test_other_python_is_told_with_the_one_to_take(version: str) -> None:
    (text,) = told(python_version=version, packages=["flytekit"])
    assert text.startswith(f"python_version: the image has Python {OTHER} and this kernel {HERE}")
    assert text.endswith(f"take Python {HERE}")


def test_flytekit_of_the_base_counts_where_its_python_stays() -> None:
    base = PythonOf(HERE, None, f"{HERE}.1")
    assert any("no task can start" in text for text in told(base, python_version=HERE))


def test_other_python_of_the_base_image_is_told() -> None:
    (text,) = told(PythonOf(OTHER, FLYTEKIT))
    assert text.startswith(f"base_image: the image has Python {OTHER}")


@pytest.mark.parametrize(
    ("base", "fields"),
    [
        (GOOD, {}),
        (None, {}),
        (GOOD, {"python_version": HERE, "packages": ["flytekit"]}),
        (GOOD, {"python_version": f"{HERE}.2", "packages": ["flytekit"]}),
        (PythonOf(OTHER, FLYTEKIT), {"python_version": HERE, "packages": ["flytekit"]}),
        (PythonOf(OTHER, None), {"conda_packages": ["flytekit"]}),
        (GOOD, {"python_version": "3", "packages": ["flytekit"]}),
    ],
)
def test_same_python_is_no_warning(base: PythonOf | None, fields: dict[str, Any]) -> None:
    assert told(base, **fields) == []


# flytekit.


def test_missing_flytekit_is_told_with_the_version_to_add() -> None:
    (text,) = told(PythonOf(HERE, None), packages=["pandas"])
    assert text.startswith("packages: neither the packages nor the base image have flytekit")
    assert f"add flytekit=={FLYTEKIT}" in text


@pytest.mark.parametrize(
    "fields",
    [
        {"packages": [item]}
        for item in (
            "flytekit",
            "Flytekit[deck]>=1.10 ; python_version > '3'",
            "flytekit @ git+https://github.com/flyteorg/flytekit",
            "git+https://github.com/flyteorg/flytekit.git@master#egg=flytekit",
            "./wheels/flytekit-1.16.0-py3-none-any.whl",
            "flytekitplugins-envd",
            "union>=0.1",
        )
    ]
    + [
        {"conda_packages": ["conda-forge::flytekit=1.16"]},
        {"commands": ["pip install flytekit"]},
    ],
)
def test_flytekit_is_not_missing_where_it_is_named_in_some_way(fields: dict[str, Any]) -> None:
    assert told(PythonOf(HERE, None), **fields) == []


@pytest.mark.parametrize("line", ["flytekit==1.16.0", "-r more.txt", "flytekitplugins-papermill"])
def test_flytekit_is_not_missing_where_a_requirements_file_names_it(
    tmp_path: Path, line: str
) -> None:
    (tmp_path / "more.txt").write_text("flytekit\n")
    (tmp_path / "r.txt").write_text(f"attrs\n{line}\n")
    assert told(PythonOf(HERE, None), requirements=str(tmp_path / "r.txt")) == []


def test_flytekit_is_missing_where_a_requirements_file_does_not_name_it(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("attrs\n")
    assert len(told(PythonOf(HERE, None), requirements=str(tmp_path / "r.txt"))) == 1


def test_other_flytekit_of_the_base_image_is_told() -> None:
    (text,) = told(PythonOf(HERE, f"{MAJOR}.{MINOR + 1}.0"))
    assert text.startswith(f"base_image: it has flytekit {MAJOR}.{MINOR + 1}.0 and this kernel")


@pytest.mark.parametrize(
    "item", [f"flytekit=={MAJOR}.{MINOR + 1}.0", f"flytekit<{MAJOR}.{MINOR}", "flytekit>=99"]
)
def test_other_flytekit_that_is_asked_for_is_told(item: str) -> None:
    (text,) = told(packages=[item])
    assert text.startswith(f"packages[{item!r}]: this kernel has flytekit {FLYTEKIT}")


@pytest.mark.parametrize(
    "item",
    [f"flytekit=={FLYTEKIT}", f"flytekit=={MAJOR}.{MINOR}.0", f"flytekit~={MAJOR}.{MINOR}"]
    + ["flytekit", "flytekit>=1", "flytekit==0.1 ; python_version < '3'", "flytekit-other==1"],
)
def test_flytekit_of_the_same_minor_version_is_no_warning(item: str) -> None:
    assert told(packages=[item]) == []


def test_flytekit_of_a_base_image_that_is_not_known_is_no_warning() -> None:
    assert told(None, packages=["pandas"]) == []


# What copies nothing.


def test_folder_without_files_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty/deeper").mkdir(parents=True)
    Path("full").mkdir()
    Path("full/file").write_text("")
    found = preview(ImageSpec(name="x", copy=["empty", "full"])).warnings
    assert [text for text in found if text.startswith("copy")] == [
        "copy: there are no files to copy in 'empty'"
    ]


def test_source_root_without_files_is_told(tmp_path: Path) -> None:
    spec = ImageSpec(name="x", source_root=str(tmp_path), source_copy_mode=CopyFileDetection.ALL)
    assert f"source_root: there are no files to copy below {tmp_path}" in preview(spec).warnings
    (tmp_path / "code.py").write_text("")
    assert not [text for text in preview(spec).warnings if text.startswith("source_root")]


# In real images.


def test_base_image_is_asked_for_its_python_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path))
    engine = Engine()
    try:
        image = inspect(engine, lab.base_image)
        assert image is not None
        assert python_of(engine, image.id) == PythonOf("3.11", None)
    finally:
        engine.close()
    # No engine is needed any more.
    assert python_of(Engine(), image.id) == PythonOf("3.11", None)


def test_builds_at_once_ask_their_base_image_once(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path))
    asked: list[str] = []
    ask = containers._asked  # noqa: SLF001

    def counted(engine: Engine, image: str) -> PythonOf | None:
        asked.append(image)
        return ask(engine, image)

    monkeypatch.setattr(containers, "_asked", counted)

    def look(_: int) -> PythonOf | None:
        with closing(Engine()) as engine, closing(BuildLog("x", Secrets(), None)) as log:
            image = inspect(engine, lab.base_image)
            assert image is not None
            return base_python(engine, image, log)

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(look, range(8))) == {PythonOf("3.11", None)}
    assert len(asked) == 1


def test_image_without_a_shell_has_no_python(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path))
    engine = Engine()
    image = engine.api.import_image_from_data(b"\0" * 10240, repository=f"bare-{uuid.uuid4().hex}")
    name = image.split('"')[3]
    try:
        assert python_of(engine, name) == PythonOf(None, None)
    finally:
        engine.api.remove_image(name, force=True)
        engine.close()


def test_base_spec_is_not_asked_for_what_the_spec_brings(lab: Lab) -> None:
    assert lab
    name = f"above-{uuid.uuid4().hex}"
    base = ImageSpec(name=f"{name}-base")
    spec = ImageSpec(name=name, base_image=base, commands=["true # flytekit"])
    notices: list[object] = []
    try:
        build_spec(spec, Options(pickled=True, listener=notices.append))
        assert not [event for event in notices if "no task can start" in str(event)]
        bare = build_spec(ImageSpec(name=f"{name}-bare"), Options(pickled=True))
        assert [text for text in bare.warnings if "no task can start" in text]
    finally:
        for image in lab.docker("images", "-q", f"{name}*").split():
            lab.docker("rmi", "-f", image)


def warned(spec: ImageSpec, *, force: bool = False) -> list[str]:
    return [
        text
        for text in build_spec(spec, Options(force=force, push=False)).warnings
        if "overwrites" in text
    ]


def test_tag_that_would_be_overwritten_is_told(lab: Lab) -> None:
    name = f"fixed-{uuid.uuid4().hex}"
    try:
        first, second = (ImageSpec(name=name, tag_format="v1", env={"SEED": seed}) for seed in "12")
        assert warned(first) == []
        assert warned(first) == []
        assert warned(first, force=True) == []
        assert len(warned(second)) == 1
        assert lab.run(f"{name}:v1", "printenv", "SEED").strip() == "2"
        lab.docker("tag", lab.base_image, f"{name}:v1")
        assert len(warned(second)) == 1
        assert lab.run(f"{name}:v1", "printenv", "SEED").strip() == "2"
    finally:
        lab.docker("rmi", "-f", f"{name}:v1")

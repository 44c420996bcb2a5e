"""flytekit finds the builder: in every import order, from scripts and from pyflyte."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .lab import Lab

_WHO = """
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec
builder, priority = ImageBuildEngine.get_registry()["envd"]
print(type(builder).__module__, priority, ImageSpec(name="x").builder)
"""
_ORDERS = {
    "flytekit": "import flytekit",
    "the reference": "import flytekitplugins.envd",
    "the reference's module": "from flytekitplugins.envd.image_builder import EnvdImageSpecBuilder",
    "flytekit, the reference": "import flytekit, flytekitplugins.envd",
    "us, the reference": "import envd_magic.plugin, flytekitplugins.envd",
    "the reference, us": "import flytekitplugins.envd, envd_magic.plugin",
    "the reference again": """
import importlib, flytekitplugins.envd.image_builder
importlib.reload(flytekitplugins.envd.image_builder)
""",
    "us again": "import importlib, envd_magic.plugin; importlib.reload(envd_magic.plugin)",
}
_WORKFLOW = """
from flytekit import ImageSpec, task, workflow

base = ImageSpec(name="plugin-base", builder="envd", env={{"MARK": "{mark}"}})
image = ImageSpec(name="plugin", builder="envd", base_image=base, commands=["echo $MARK > /mark"])

@task(container_image=image)
def work() -> int:
    return 1

@workflow
def flow() -> int:
    return work()
"""


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the reference plug-in, as an installation beside ours."""
    folder = tmp_path_factory.mktemp("reference")
    install = ["pip", "install", "--quiet", "--no-deps", "--target", str(folder)]
    subprocess.run([sys.executable, "-m", *install, "flytekitplugins-envd"], check=True)
    return folder


def python(script: str, *paths: Path) -> str:
    """Output of a script, with more places to import from before and after the usual ones."""
    path = os.pathsep.join([*map(str, paths), str(Path(__file__).parent.parent)])
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("order", _ORDERS)
def test_envd_is_ours_beside_the_reference(order: str, reference: Path) -> None:
    assert python(_ORDERS[order] + _WHO, reference) == "envd_magic.plugin 5 envd\n"


def test_envd_is_ours_without_the_reference() -> None:
    assert python("import flytekit" + _WHO) == "envd_magic.plugin 5 envd\n"


def test_builder_of_somebody_elses_own_may_take_our_place() -> None:
    script = """
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpecBuilder
class Mine(ImageSpecBuilder):
    def build_image(self, image_spec): ...
ImageBuildEngine.register("envd", Mine(), 7)
"""
    assert python(script + _WHO) == "__main__ 7 envd\n"


def test_place_of_the_reference_is_told_when_an_image_is_built(lab: Lab, reference: Path) -> None:
    assert lab
    script = """
import flytekitplugins.envd
from flytekit.image_spec.image_spec import ImageBuildEngine, ImageSpec
ImageBuildEngine.build(ImageSpec(name="placed", env={"UNIQUE": "%s"}))
"""
    told = python(script % uuid.uuid4().hex, reference)
    assert "in the place of flytekitplugins-envd 1." in told


def test_pyflyte_builds_the_images_of_a_workflow(lab: Lab, tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    (tmp_path / "flows.py").write_text(_WORKFLOW.format(mark=mark))
    pyflyte = Path(sys.executable).with_name("pyflyte")
    words = ["--pkgs", "flows", "package", "--fast", "--output", "flows.tgz", "--force"]
    done = subprocess.run(
        [pyflyte, *words], cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in done.stdout.splitlines() if line.startswith("envd_magic builds")]
    assert [line.split()[2].partition(":")[0] for line in told] == ["plugin-base", "plugin"]
    image = told[1].split()[2]
    assert lab.run(image, "cat", "/mark").strip() == mark

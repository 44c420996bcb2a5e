"""The commands of %envd that look at images, in a real kernel with a real engine."""

from __future__ import annotations

import time
import uuid
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from envd_magic.engine.catalog import built_images

from .kernels import Kernel, kernel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .lab import Lab

MARK = uuid.uuid4().hex[:10]


@pytest.fixture(scope="module")
def notebook(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Give a kernel with an image of its own, which goes at the end."""
    with kernel(tmp_path_factory.mktemp("commands")) as running:
        cell = running.run(
            f"%%envd_build mine\nImageSpec(name='commands-{MARK}', env={{'SEED': '7'}})"
        )
        assert cell.error is None, cell.error_text
        yield running
        for image in lab.docker("images", "-q", f"commands-{MARK}*").split():
            lab.docker("rmi", "-f", image)


def containers(lab: Lab) -> list[str]:
    return lab.docker("ps", "-aq", "--filter", f"ancestor=commands-{MARK}").split()


def test_command_runs_in_the_image_with_the_specs_variables(notebook: Kernel, lab: Lab) -> None:
    cell = notebook.run("%envd run --env OWN='a b' mine sh -c 'echo $SEED; echo \"$OWN\" >&2'")
    assert cell.error is None, cell.error_text
    assert sorted(cell.text.splitlines()) == ["7", "a b"]
    assert containers(lab) == []


def test_image_can_be_named_in_place_of_a_spec(notebook: Kernel) -> None:
    image = notebook.run("print(mine.image_name(), end='')").text
    assert notebook.run(f"%envd run {image} printenv SEED").text == "7\n"


def test_output_comes_while_the_command_runs(notebook: Kernel, lab: Lab) -> None:
    cell = notebook.start("%envd run mine sh -c 'echo one; echo two; sleep 1000'")
    cell.until("two")
    assert not cell.done
    notebook.manager.interrupt_kernel()
    assert cell.finish().error == "KeyboardInterrupt"
    assert "File " not in cell.error_text
    assert containers(lab) == []


def test_exit_code_of_a_command_is_told(notebook: Kernel) -> None:
    cell = notebook.run("%envd run mine sh -c 'echo why; exit 3'")
    assert cell.text == "why\n"
    assert cell.error_text == "CommandError: sh ended with exit code 3"


def test_program_that_is_not_there_is_told_with_the_image(notebook: Kernel, lab: Lab) -> None:
    cell = notebook.run("%envd run mine no-such-program --version")
    assert cell.error == "CommandError"
    assert f"There is no program 'no-such-program' in commands-{MARK}" in cell.error_text
    assert containers(lab) == []
    cell = notebook.run("%envd run mine /etc")
    assert "'/etc' in commands-" in cell.error_text


def test_image_that_was_not_built_is_told_with_how_to_build_it(notebook: Kernel) -> None:
    notebook.run("from flytekit import ImageSpec; other = ImageSpec(name='never-built')")
    cell = notebook.run("%envd run other ls")
    told = cell.text + cell.error_text
    assert "is not in the engine; first: %envd build other" in told


def test_two_real_builds_run_at_once_in_one_kernel(notebook: Kernel, lab: Lab) -> None:
    for name in ("left", "right"):
        cell = notebook.run(
            f"%%envd_build --background {name}\n"
            f"ImageSpec(name='commands-{MARK}-{name}', commands=['sleep 1; echo {name} > /side'])"
        )
        assert cell.error is None, cell.error_text
    waited = notebook.run("%envd wait")
    assert waited.error is None, waited.error_text
    for name in ("left", "right"):
        assert notebook.run(f"%envd run {name} cat /side").text == f"{name}\n"


def test_flood_of_a_command_stays_a_few_messages(notebook: Kernel) -> None:
    began = time.monotonic()
    cell = notebook.run("%envd run mine seq 1 200000")
    assert cell.text.endswith("\n200000\n")
    assert cell.messages < 10 * (time.monotonic() - began) + 20


def test_images_that_were_built_are_listed_and_removed(notebook: Kernel, lab: Lab) -> None:
    name = f"commands-{MARK}-old"
    for seed in "12":
        notebook.run(f"%%envd_build\nImageSpec(name='{name}', env={{'SEED': '{seed}'}})")
    listed = notebook.run(f"%envd images {name}").text
    assert listed.count(f"{name}:") == 2
    assert "2 images, " in listed
    assert f"commands-{MARK}:" in notebook.run("%envd images").text
    would = notebook.run(f"%envd images {name} --keep 1 --dry-run").text
    assert would.startswith("Would remove: 1\n")
    assert len(lab.docker("images", "-q", name).split()) == 2
    assert notebook.run(f"%envd images {name} --keep 1").text.startswith("Removed: 1\n")
    (left,) = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}", name).split()
    assert notebook.run(f"%envd images --remove {left}").text.startswith("Removed: 1\n")
    assert lab.docker("images", "-q", name).strip() == ""


def test_image_that_was_not_built_here_is_not_removed(notebook: Kernel, lab: Lab) -> None:
    cell = notebook.run(f"%envd images --remove {lab.base_image}")
    assert "no image that was built here is called" in cell.text + cell.error_text
    assert lab.docker("images", "-q", lab.base_image).strip()


def test_image_that_a_container_needs_is_told(notebook: Kernel, lab: Lab) -> None:
    name = f"commands-{MARK}-used"
    notebook.run(f"%%envd_build used\nImageSpec(name='{name}')")
    image = notebook.run("print(used.image_name(), end='')").text
    container = lab.docker("create", image, "true").strip()
    try:
        cell = notebook.run(f"%envd images --remove {image}")
        assert cell.error == "EngineError"
        assert "a container or another image needs it" in cell.error_text
        assert cell.text.startswith("Removed: 0\n")
    finally:
        lab.docker("rm", container)


def test_doctor_finds_what_a_build_needs(notebook: Kernel) -> None:
    shown = notebook.run("%envd doctor mine").text
    assert "ok    engine" in shown
    assert "FAIL" not in shown
    cell = notebook.run("%envd doctor 'ImageSpec(base_image=\"localhost:5000/no/such:1\")'")
    assert "FAIL" in cell.text


def test_images_are_offered_for_completion(notebook: Kernel) -> None:
    client = notebook.client
    code = f"%envd images --remove commands-{MARK}:"
    (match,) = client.complete(code, reply=True, timeout=30)["content"]["matches"]
    assert match.startswith(f"commands-{MARK}:")
    code = f"%envd images commands-{MARK}"
    matches = client.complete(code, reply=True, timeout=30)["content"]["matches"]
    assert f"commands-{MARK}" in matches


def test_an_image_whose_build_has_not_ended_is_neither_listed_nor_removed() -> None:
    def image(number: int, *names: str) -> dict[str, object]:
        return {"Id": f"sha256:{number}", "RepoTags": [*names], "Size": 1, "Created": number}

    found = [
        image(3, "envd_magic-build:at-work"),
        image(2, "envd_magic-build:ends-now", "trainer:b"),
        image(1, "<none>:<none>"),
        image(0),
    ]
    engine = SimpleNamespace(api=SimpleNamespace(images=lambda filters: found if filters else None))
    images = built_images(engine)  # type: ignore[arg-type]
    assert [(one.id, one.names) for one in images] == [
        ("sha256:2", ("trainer:b",)),
        ("sha256:1", ()),
        ("sha256:0", ()),
    ]

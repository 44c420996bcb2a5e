"""What helps where a value is refused: what was probably meant by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic.diagnosis.diagnose import diagnose
from envd_magic.diagnosis.edits import fixed
from envd_magic.diagnosis.model import Failure
from envd_magic.errors import SpecError
from envd_magic.interactive.fixing import edited_file
from envd_magic.spec.validate import problems_of, validate

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.diagnosis.model import Diagnosis


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(spec: ImageSpec) -> Diagnosis:
    """Give the diagnosis of a spec that is refused, its requirements file too."""
    from envd_magic.spec.requirements import read_requirements

    found = [one for one in problems_of(spec) if one.fatal]
    if not found:
        with pytest.raises(SpecError) as caught:
            read_requirements(str(spec.requirements))
        found = list(caught.value.problems)
    problems = tuple((one.field, one.item, one.message) for one in found)
    failure = Failure(("SpecError",), str(SpecError(*found)), problems=problems)
    return diagnose(spec, failure)


@pytest.mark.parametrize(
    ("item", "meant"),
    [
        ("click=8.1.7", ["click==8.1.7"]),
        ("click[x]=8.1.7=py311_0", ["click[x]==8.1.7"]),
        ("click^8.1", ["click>=8.1,<9"]),
        ("click ^0.2.3", ["click>=0.2.3,<0.3"]),
        ("click~1.2", ["click>=1.2,<1.3"]),
        ("click 8.1.7", ["click==8.1.7"]),
        ("click@8.1.7", ["click==8.1.7"]),
        ("click==8.x", ["click==8.*"]),
        ("click>=8.*", ["click>=8"]),
        ("click=>8", ["click>=8"]),
        ("click, six", ["click", "six"]),
        ("click==8.1.7 six>=1", ["click==8.1.7", "six>=1"]),
        ("six>=1.16  # for CI", ["six>=1.16"]),
        ("'six'", ["six"]),
        ("%pip install -U 'six>=1'", ["six>=1"]),
        ("uv add six tabulate", ["six", "tabulate"]),
    ],
)
def test_a_requirement_in_the_words_of_another_tool(item: str, meant: list[str]) -> None:
    spec = ImageSpec(name="x", packages=["attrs", item])
    one = refusal(spec)
    assert (one.field, one.item) == ("packages", item)
    made = fixed(spec, one.fixes[0])
    assert made.packages == ["attrs", *meant]
    validate(made)


@pytest.mark.parametrize("item", ["@@@", "./lib", "-e .", "numpy>=1,<2 and more!"])
def test_what_nobody_knows_is_not_guessed_at(item: str) -> None:
    one = refusal(ImageSpec(name="x", packages=[item]))
    assert [fix.text for fix in one.fixes] == [f"leave {item!r} out"]


@pytest.mark.parametrize(
    ("field", "value", "meant"),
    [
        ("name", "Tr\xe4iner v1", "trainer-v1"),
        ("name", "", "flytekit"),
        ("base_image", "https://localhost:5000/lab/python:3.11", "localhost:5000/lab/python:3.11"),
        ("base_image", "debian:bookworm:slim", "debian:bookworm-slim"),
        ("platform", "amd64", "linux/amd64"),
        ("platform", "windows/x86_64", "linux/amd64"),
        ("platform", "aarch64", "linux/arm64"),
        ("python_version", ">=3.10", "3.10"),
        ("python_version", "python3.11.4", "3.11.4"),
        ("python_version", "py311", "3.11"),
        ("tag_format", "v 1/{spec_hash}", "v-1-{spec_hash}"),
        ("tag_format", "{hash}", "{spec_hash}"),
        ("env", {"WORKERS": 4}, {"WORKERS": "4"}),
        ("env", {"DEBUG": True}, {"DEBUG": "true"}),
        ("python_exec", "/usr/bin/python3", None),
        ("builder_options", {"installer": "poetry"}, None),
    ],
)
def test_a_value_as_other_tools_have_it(field: str, value: Any, meant: Any) -> None:
    spec = ImageSpec(**{"name": "x", "packages": ["six"], field: value})
    one = refusal(spec)
    assert one.field == field
    made = fixed(spec, one.fixes[0])
    assert getattr(made, field) == meant
    validate(made)


def test_a_requirements_file_among_the_packages(here: Path) -> None:
    (here / "r.txt").write_text("six\n")
    spec = ImageSpec(name="x", packages=["attrs", "-r r.txt"])
    made = fixed(spec, refusal(spec).fixes[0])
    assert (made.packages, made.requirements) == (["attrs"], "r.txt")


def test_an_absolute_path_of_the_project(here: Path) -> None:
    (here / "a.txt").write_text("a\n")
    spec = ImageSpec(name="x", copy=[str(here / "a.txt")])
    assert fixed(spec, refusal(spec).fixes[0]).copy == ["a.txt"]


def test_a_link_to_nowhere_is_not_offered_in_its_own_place(here: Path) -> None:
    (here / "gone").symlink_to("nowhere")
    one = refusal(ImageSpec(name="x", copy=["gone"]))
    assert [fix.text for fix in one.fixes] == ["leave 'gone' out"]


def test_a_folder_is_not_offered_in_its_own_place(here: Path) -> None:
    (here / "reqs").mkdir()
    assert refusal(ImageSpec(name="x", requirements="reqs")).fixes == ()


def test_a_file_that_a_file_names_and_that_is_not_there(here: Path) -> None:
    (here / "req").mkdir()
    (here / "req" / "main.txt").write_text("six\n-r mroe.txt\n")
    (here / "req" / "more.txt").write_text("attrs\n")
    one = refusal(ImageSpec(name="x", requirements="req/main.txt"))
    assert one.item == "req/main.txt, line 2"
    assert one.fixes[0].text == (
        "name 'req/more.txt', which is there, in req/main.txt, line 2, in place of 'req/mroe.txt'"
    )
    assert one.fixes[0].changes == ()


def test_a_line_of_a_file_becomes_what_was_meant(here: Path) -> None:
    (here / "r.txt").write_bytes(b"attrs\r\nsix=1.16.0=py_0\r\n\r\ntabulate")
    one = refusal(ImageSpec(name="x", requirements="r.txt"))
    assert (one.item, one.where) == ("six=1.16.0=py_0", "r.txt, line 2")
    exec(edited_file(one.fixes[0]), {})  # noqa: S102
    # No other byte of the file changes.
    assert (here / "r.txt").read_bytes() == b"attrs\r\nsix==1.16.0\r\n\r\ntabulate"


def test_a_folder_that_is_installed_by_a_file_is_no_requirement(here: Path) -> None:
    (here / "r.txt").write_text("-e ./lib\n")
    one = refusal(ImageSpec(name="x", requirements="r.txt"))
    assert one.item == "r.txt, line 1"
    assert "put the folder into `copy`" in one.cause
    assert one.fixes == ()


@pytest.mark.parametrize(
    ("name", "said", "command"),
    [
        ("pyproject.toml", "an export of it", "uv pip compile pyproject.toml"),
        ("uv.lock", "uv export", "uv export --format requirements-txt"),
        ("environment.yml", "goes into conda_packages", ""),
    ],
)
def test_a_file_of_another_tool(here: Path, name: str, said: str, command: str) -> None:
    (here / name).write_text("name: x\n")
    one = refusal(ImageSpec(name="x", requirements=name))
    assert said in one.cause
    assert [fix.command.startswith(command) for fix in one.fixes] == ([True] if command else [])


def test_a_file_whose_name_stands_among_the_packages(here: Path) -> None:
    # Its name could be a package's, so that an index is asked for it.
    (here / "reqs.txt").write_text("six\n")
    spec = ImageSpec(name="x", packages=["attrs", "reqs.txt"])
    line = "ERROR: Could not find a version that satisfies the requirement reqs.txt "
    said = (f"{line}(from versions: none)",)
    failure = Failure(("BuildError",), "failed", "Building", "install", "packages", said)
    made = fixed(spec, diagnose(spec, failure).fixes[0])
    assert (made.packages, made.requirements) == (["attrs"], "reqs.txt")

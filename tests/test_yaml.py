"""ImageSpecs as YAML, and several ImageSpecs at once."""

from __future__ import annotations

from typing import Any

import pytest
from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection
from hypothesis import given
from hypothesis import strategies as st

from envd_magic.errors import CellError, SpecError
from envd_magic.spec.cell import spec_from_cell, specs_from_cell
from envd_magic.spec.several import gather
from envd_magic.spec.yaml_form import specs_from_yaml

from .shells import shell


def _spec(text: str) -> Any:
    return specs_from_yaml(text).value


def _refused(text: str) -> str:
    with pytest.raises(SpecError) as caught:
        specs_from_yaml(text)
    return str(caught.value)


# What it reads.


def test_fields_are_those_of_the_spec() -> None:
    text = """
name: trainer
python_version: "3.11"
packages: [pandas>=2, 'tomli ; python_version < "3.11"']
env:
  SEED: "7"
commands:
  - echo hi
"""
    assert _spec(text) == ImageSpec(
        name="trainer",
        python_version="3.11",
        packages=["pandas>=2", 'tomli ; python_version < "3.11"'],
        env={"SEED": "7"},
        commands=["echo hi"],
    )


def test_base_image_can_be_a_spec() -> None:
    spec = _spec("name: x\nbase_image:\n  name: y\n  packages: [attrs]")
    assert spec.base_image == ImageSpec(name="y", packages=["attrs"])


def test_list_makes_several() -> None:
    assert _spec("- name: a\n- name: b") == [ImageSpec(name="a"), ImageSpec(name="b")]


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("source_root: .\nsource_copy_mode: ALL", "source_copy_mode", CopyFileDetection.ALL),
        ("pip_secret_mounts: [[a, b]]", "pip_secret_mounts", [("a", "b")]),
        ("entrypoint: []", "entrypoint", []),
        ("registry:", "registry", None),
        ("packages: ~", "packages", None),
        ("builder_options: {installer: pip}", "builder_options", {"installer": "pip"}),
        ("env: {A: ''}", "env", {"A": ""}),
    ],
)
def test_values_that_yaml_has_no_word_for(text: str, field: str, value: Any) -> None:
    assert getattr(_spec(text), field) == value


def test_mapping_can_be_merged_and_its_own_values_count() -> None:
    spec = _spec("base_image: &b\n  name: y\n  registry: a:1\n<<: *b\nname: x")
    assert (spec.name, spec.registry) == ("x", "a:1")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x85\ufeff"), min_size=1))
def test_text_in_quotes_arrives_as_it_is(text: str) -> None:
    import yaml

    written = yaml.safe_dump({"env": {"A": text}, "name": "x"}, default_style='"')
    assert _spec(written).env == {"A": text}


# What YAML bends.


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("python_version: 3.10", "python_version: YAML reads 3.10 as a number"),
        ("name: x\npackages:\n  - a\n  - 1.20", "packages: YAML reads 1.20 as a number"),
        ("name: no", "name: YAML reads no as true or false"),
        ("env: {A: yes}", "env['A']: YAML reads yes as true or false"),
        ("env: {A: 2024-01-01}", "env['A']: YAML reads 2024-01-01 as a date"),
        ("env: {A: 010}", "env['A']: YAML reads 010 as a number"),
        ("env: {A: 1_000}", "env['A']: YAML reads 1_000 as a number"),
        ("env: {A: 12:30}", "env['A']: YAML reads 12:30 as a number"),
        ("env: {A: .inf}", "env['A']: YAML reads .inf as a number"),
        ("env: {A: ~}", "env['A']: YAML reads ~ as nothing"),
        ("env:\n  A:", "env['A']: YAML reads what is left open as nothing"),
        ("env: {on: 'x'}", "env: YAML reads on as true or false"),
        ("env: {1: 'x'}", "env: YAML reads 1 as a number"),
        ("base_image:\n  python_version: 3.10", "base_image.python_version: YAML reads 3.10"),
        ("cuda: 12.10", "cuda: YAML reads 12.10 as a number"),
    ],
)
def test_value_that_yaml_bends_is_told_with_what_was_written_and_its_line(
    text: str, told: str
) -> None:
    message = _refused(text)
    assert message.startswith(told)
    assert f"(line {text.count(chr(10)) + 1})" in message
    if "open" not in told:
        assert "write it in quotes: '" in message


def test_secret_that_yaml_bends_is_told_without_it() -> None:
    with pytest.raises(SpecError) as caught:
        specs_from_yaml("name: a\nenv:\n  API_TOKEN: 47114711")
    assert "env['API_TOKEN']: YAML reads **** as a number" in str(caught.value)
    assert "4711" not in str(caught.value)


def test_all_bent_values_are_told_at_once() -> None:
    assert len(_refused("python_version: 3.10\nenv: {A: 1, B: yes}").splitlines()) == 3


@pytest.mark.parametrize("text", ["python_version: '3.10'", 'python_version: "3.10"'])
def test_value_in_quotes_is_not_bent(text: str) -> None:
    assert _spec(text).python_version == "3.10"


@pytest.mark.parametrize("text", ["commands:\n- echo: hi", "packages:\n- pandas: 1"])
def test_item_with_a_colon_is_told(text: str) -> None:
    assert "YAML reads a mapping here" in _refused(text)
    assert "(line 2)" in _refused(text)


# Mistakes.


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("name: x\npakages: []", "line 2: unknown field 'pakages'; did you mean 'packages'?"),
        ("name: x\npackages: pandas", "packages: must be a list of strings or None (line 2)"),
        ("name: x\nname: y", "'name' stands twice (line 2)"),
        ("env:\n  A: a\n  A: b", "env: 'A' stands twice (line 3)"),
        ("source_root: .\nsource_copy_mode: all", "source_copy_mode: unknown mode 'all'; did you"),
        ("base_image:\n  nam: y", "base_image: line 2: unknown field 'nam'; did you mean 'name'?"),
    ],
)
def test_mistake_is_told_with_its_line(text: str, told: str) -> None:
    assert _refused(text).startswith(told)


@pytest.mark.parametrize(
    "text",
    ["", "# a comment", "just words", "[]", "- 3", "a: [", "name: x\n\ty: z", "a: 1\n---\nb: 2"]
    + ["name: !!python/object/apply:os.system ['true']", "name: =", "packages: &p [*p]"],
)
def test_what_is_no_yaml_of_a_spec_is_refused(text: str) -> None:
    with pytest.raises(CellError):
        specs_from_yaml(text)


# Several at once, from Python.


@pytest.mark.parametrize(
    "text",
    ["[ImageSpec(name='a'), ImageSpec(name='b')]", "(ImageSpec(name='a'), ImageSpec(name='b'))"]
    + ["[ImageSpec(name=n) for n in names]"],
)
def test_list_of_specs_stays_a_list(text: str) -> None:
    specs = specs_from_cell(text, {"names": ["a", "b"]})
    assert specs.value == [ImageSpec(name="a"), ImageSpec(name="b")]
    assert [label for label, _ in specs.items] == ["[0]", "[1]"]


def test_mapping_of_specs_keeps_its_keys() -> None:
    specs = specs_from_cell("{'cpu': ImageSpec(name='a'), 3: ImageSpec(name='b')}", {})
    assert specs.value == {"cpu": ImageSpec(name="a"), 3: ImageSpec(name="b")}
    assert [label for label, _ in specs.items] == ["['cpu']", "[3]"]


@pytest.mark.parametrize(
    "value", [[], {}, [1], [ImageSpec(), None], {"a": 1}, "x", None, iter([ImageSpec()])]
)
def test_what_holds_anything_else_is_not_gathered(value: Any) -> None:
    assert gather(value) is None


def test_mistake_in_the_yaml_is_told_in_a_line_with_its_place() -> None:
    assert _refused("name: a\npackages: [six\n") == (
        "This is no YAML of an ImageSpec: line 3, column 1: expected ',' or ']', "
        "but got '<stream end>' (while parsing a flow sequence that begins in line 2)"
    )


def test_registry_with_a_scheme_is_told_by_its_field_with_what_to_leave_out() -> None:
    assert _refused("name: a\nregistry: http://localhost:5000\n") == (
        "registry: 'http://localhost:5000' is no registry; expected host[:port][/path], as "
        "localhost:5000, without what stands before the host (line 2)"
    )


def test_several_are_refused_where_one_is_wanted() -> None:
    with pytest.raises(CellError, match="it makes several"):
        spec_from_cell("[ImageSpec()]", {})


def test_recipes_of_several_are_shown_one_after_another() -> None:
    text = shell().do("%%envd_build --dry-run --yaml\n- name: first\n- name: second")
    assert text.index("# first:") < text.index("# second:")

"""Where a cursor is in Python and YAML that are still being written."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envd_magic.interactive.position import position, yaml_position


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("ImageSpec(", "ImageSpec"),
        ("x = flytekit.ImageSpec(\n    name='a',\n    ", "ImageSpec"),
        ("ImageSpec(packages=[", "ImageSpec"),
        ("ImageSpec(packages=f(", "f"),
        ("ImageSpec(packages=f(1), ", "ImageSpec"),
        ("ImageSpec(name='(')", ""),
        ("ImageSpec(name=')', ", "ImageSpec"),
        ("ImageSpec(  # a comment (\n", "ImageSpec"),
        ("ImageSpec(name='it\\'s (', ", "ImageSpec"),
        ("ImageSpec(commands=['''a\n(''', ", "ImageSpec"),
        ("(ImageSpec", ""),
        ("'ImageSpec('", ""),
        ("", ""),
    ],
)
def test_call_around_a_place(text: str, call: str) -> None:
    assert position(text).call == call


@pytest.mark.parametrize(
    "text",
    ["ImageSpec(", "ImageSpec(na", "ImageSpec(name='a', ", "ImageSpec(\n    name='a',\n    pa"]
    + ["", "na", "x = 1\n", "x = 1\nna", "if x:\n    na"],
)
def test_argument_or_statement_starts(text: str) -> None:
    assert position(text).starts


@pytest.mark.parametrize(
    "text",
    ["ImageSpec(name=", "ImageSpec(name=na", "ImageSpec('", "ImageSpec(packages=[", "x", "x = "]
    + ["ImageSpec(packages=[a, ", "ImageSpec(name='a' ", "x.na", "f(x).na"],
)
def test_value_is_no_start(text: str) -> None:
    assert not position(text).starts or text == "x"


@pytest.mark.parametrize(
    ("text", "field", "string"),
    [
        ("ImageSpec(requirements='req", "requirements", "req"),
        ("ImageSpec(requirements = r'req", "requirements", "req"),
        ('ImageSpec(copy=["a", "b/c', "copy", "b/c"),
        ("ImageSpec(env={'A': 'b", "env", "b"),
        ("registry = 'localhost", "registry", "localhost"),
        ("ImageSpec(name='a', platform=\"", "platform", ""),
        ("ImageSpec(name='say \"", "name", 'say "'),
        ("ImageSpec(name='a')", "", None),
    ],
)
def test_string_and_whose_value_it_is(text: str, field: str, string: str | None) -> None:
    here = position(text)
    assert (here.field if string is not None else "", here.string) == (field, string)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ImageSpec(name='a', packages=['b'], ", {"name", "packages"}),
        ("ImageSpec(base_image=ImageSpec(name='a'), ", {"base_image"}),
        ("ImageSpec(name='a', base_image=ImageSpec(", set()),
        ("ImageSpec(commands=['packages=1'], ", {"commands"}),
        ("ImageSpec(name='a' if x == 1 else 'b', ", {"name"}),
        ("name = 'a'\npackages = [\n    'x',\n]\n", {"name", "packages"}),
    ],
)
def test_names_that_are_taken(text: str, names: set[str]) -> None:
    assert position(text).arguments == names


@given(st.text(st.sampled_from("ab=()[]{}'\"\\#\n,. ImageSpec"), max_size=40))
@example("I\n")
def test_no_text_is_too_strange(text: str) -> None:
    here = position(text)
    assert text.endswith(here.token)
    assert (here.string is None) or text.endswith(here.string)


# YAML


@pytest.mark.parametrize(
    ("text", "field", "written"),
    [
        ("", "", ""),
        ("pac", "", "pac"),
        ("name: x\npac", "", "pac"),
        ("- na", "", "na"),
        ("- name: x\n  pac", "", "pac"),
        ("- name: x\n- pac", "", "pac"),
        ("base_image:\n  pac", "", "pac"),
        ("name: x\nbase_image:\n  name: y\n  pac", "", "pac"),
        ("base_image:\n  name: y\npac", "", "pac"),
        ("platform: lin", "platform", "lin"),
        ('platform: "lin', "platform", "lin"),
        ("- platform: lin", "platform", "lin"),
        ("copy:\n  - da", "copy", "da"),
        ("copy:\n- da", "copy", "da"),
        ("copy:\n  - a\n  - da", "copy", "da"),
        ("- name: x\n  copy:\n    - da", "copy", "da"),
    ],
)
def test_place_in_yaml(text: str, field: str, written: str) -> None:
    here = yaml_position(text)
    assert here is not None
    assert (here.field, here.written) == (field, written)


@pytest.mark.parametrize("text", ["env:\n  A", "env:\n  A: b", "commands:\n  - a: b\n    c", "a b"])
def test_place_in_yaml_where_no_field_can_stand(text: str) -> None:
    here = yaml_position(text)
    assert here is None or here.field


def test_names_that_a_mapping_has_are_taken() -> None:
    here = yaml_position("name: x\ncopy:\n  - a\nenv:\n  platform: y\n")
    assert here is not None
    assert here.named == {"name", "copy", "env"}
    here = yaml_position("- name: x\n- platform: y\n  ")
    assert here is not None
    assert here.named == {"platform"}


@given(st.text(st.sampled_from("ab:- \n'\"[]name"), max_size=40))
def test_no_yaml_is_too_strange(text: str) -> None:
    here = yaml_position(text)
    assert here is None or text.endswith(here.written)

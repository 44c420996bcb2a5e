"""The text of a cell becomes an ImageSpec."""

from __future__ import annotations

from typing import Any

import pytest
from flytekit import ImageSpec

from envd_magic.errors import CellError, SpecError
from envd_magic.spec.cell import spec_from_cell, with_options


def _spec(text: str, **variables: Any) -> ImageSpec:
    return spec_from_cell(text, variables)


def _refused(text: str, **variables: Any) -> str:
    with pytest.raises(CellError) as caught:
        _spec(text, **variables)
    return str(caught.value)


# An expression.


def test_expression_makes_the_spec() -> None:
    assert _spec("ImageSpec(name='x', packages=['pandas'])") == ImageSpec(
        name="x", packages=["pandas"]
    )


def test_name_of_image_spec_needs_no_import() -> None:
    assert isinstance(_spec("ImageSpec()"), ImageSpec)


def test_name_of_image_spec_may_be_imported_all_the_same() -> None:
    assert isinstance(_spec("from flytekit import ImageSpec\nImageSpec()"), ImageSpec)


def test_statements_may_come_before_the_expression() -> None:
    text = "more = ['numpy']\nfor name in 'ab':\n    more.append(name)\nImageSpec(packages=more)"
    assert _spec(text).packages == ["numpy", "a", "b"]


def test_expression_may_be_a_variable_of_the_notebook() -> None:
    mine = ImageSpec(name="mine")
    assert _spec("mine", mine=mine) is mine


def test_expression_may_go_on_from_a_spec() -> None:
    assert _spec("mine.with_packages(['x'])", mine=ImageSpec()).packages == ["x"]


def test_expression_reads_the_notebooks_variables() -> None:
    assert _spec("ImageSpec(packages=packages)", packages=["x"]).packages == ["x"]


def test_functions_and_comprehensions_see_the_cells_names() -> None:
    text = "a = 'x'\ndef f():\n    return [a + b for b in 'yz']\nImageSpec(packages=f())"
    assert _spec(text).packages == ["xy", "xz"]


def test_comment_after_the_expression_is_no_matter() -> None:
    assert isinstance(_spec("ImageSpec()  # done\n\n# really\n"), ImageSpec)


def test_notebooks_own_image_spec_does_not_take_the_names_place() -> None:
    text = "import flytekit\nflytekit.ImageSpec(name='x')"
    assert _spec(text, ImageSpec=ImageSpec).name == "x"


# Assignments.


def test_assignments_make_the_spec() -> None:
    assert _spec("name = 'x'\npackages = ['pandas']") == ImageSpec(name="x", packages=["pandas"])


def test_assignments_may_read_the_notebooks_variables() -> None:
    assert _spec("packages = [*common, 'x']", common=["a"]).packages == ["a", "x"]


def test_assignment_may_unpack() -> None:
    found = _spec("name, registry = 'x', 'localhost:30000'")
    assert (found.name, found.registry) == ("x", "localhost:30000")


def test_assignment_may_have_a_type() -> None:
    assert _spec("packages: list[str] = ['x']").packages == ["x"]


def test_assignment_may_add_to_an_earlier_one() -> None:
    assert _spec("packages = ['x']\npackages += ['y']").packages == ["x", "y"]


def test_item_of_a_field_may_be_assigned() -> None:
    assert _spec("env = {}\nenv['A'] = 'b'").env == {"A": "b"}


def test_helpers_may_be_assigned_as_well() -> None:
    assert _spec("both = ['x']\npackages = both\nconda_packages = both").conda_packages == ["x"]


def test_name_that_begins_with_an_underscore_is_a_helper() -> None:
    assert _spec("_note = 'x'\nname = 'y'").name == "y"


def test_notebooks_variables_named_as_fields_are_not_taken() -> None:
    assert _spec("name = 'x'", packages=["pandas"], registry="localhost:30000") == ImageSpec(
        name="x"
    )


def test_variable_that_only_names_an_item_is_not_taken_for_a_field() -> None:
    found = _spec("env = {}\nenv[name] = '1'", name="KEY")
    assert found.name == ImageSpec().name


def test_none_is_as_good_as_nothing() -> None:
    assert _spec("packages = None\nname = 'x'") == ImageSpec(name="x")


# What stays as it was.


@pytest.mark.parametrize(
    "text", ["a = 1\nImageSpec(name='x')", "a = 'x'\nname = a", "import os\nname = os.sep and 'x'"]
)
def test_names_of_a_cell_do_not_leak(text: str) -> None:
    variables: dict[str, Any] = {"mine": 1}
    spec_from_cell(text, variables)
    assert variables == {"mine": 1}


def test_variable_that_a_cell_assigns_stays_as_it_was() -> None:
    variables = {"packages": ["mine"]}
    spec_from_cell("packages = ['x']", variables)
    assert variables == {"packages": ["mine"]}


def test_names_of_a_cell_do_not_leak_when_it_fails() -> None:
    variables: dict[str, Any] = {}
    with pytest.raises(ZeroDivisionError):
        spec_from_cell("a = 1\nImageSpec(name=1 / 0)", variables)
    assert variables == {}


# Mistakes.


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("pakages = ['x']", "packages"),
        ("ImageSpec(pakages=['x'])", "packages"),
        ("name = 'x'\napt_package = ['git']", "apt_packages"),
        ("ImageSpec(base_img='debian')", "base_image"),
    ],
)
def test_misspelt_field_is_told_the_close_one(text: str, meant: str) -> None:
    assert f"did you mean '{meant}'?" in _refused(text)


@pytest.mark.parametrize(
    "text",
    [
        "spec = ImageSpec(pakages=['x'])\nspec",
        "\n[ImageSpec(pakages=[name]) for name in 'ab']",
        "\nImageSpec(name='x', base_image=ImageSpec(pakages=[]))",
        "def make():\n    return ImageSpec(pakages=[])\nmake()",
        "base = ImageSpec(pakages=[])\nname = 'x'\nbase_image = base",
    ],
)
def test_misspelt_field_is_told_wherever_the_cell_makes_a_spec(text: str) -> None:
    line = next(n for n, one in enumerate(text.splitlines(), 1) if "pakages" in one)
    assert f"line {line}: unknown field 'pakages'; did you mean 'packages'?" in _refused(text)


def test_value_that_flytekit_refuses_is_told_wherever_the_cell_makes_a_spec() -> None:
    with pytest.raises(SpecError, match="packages: must be a list"):
        _spec("spec = ImageSpec(packages='x')\nspec")


def test_other_mistakes_in_calls_are_the_cells_own() -> None:
    with pytest.raises(TypeError, match="nothing"):
        _spec("print(nothing=2)\nImageSpec()")


# Assignments in blocks.


@pytest.mark.parametrize(
    "text",
    [
        "name = 'x'\nif gpu:\n    packages = ['a']",
        "if gpu:\n    name = 'x'\n    packages = ['a']\nelse:\n    name = 'y'",
        "name = 'x'\nfor one in 'a':\n    packages = [one]",
        "name = 'x'\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    packages = ['a']",
    ],
)
def test_field_can_be_assigned_in_a_block(text: str) -> None:
    assert _spec(text, gpu=True) == ImageSpec(name="x", packages=["a"])


def test_assignment_that_is_not_reached_takes_no_variable_of_the_notebook() -> None:
    text = "name = 'x'\nif gpu:\n    packages = ['a']"
    assert _spec(text, gpu=False, packages=["mine"]) == ImageSpec(name="x")


def test_names_of_loops_and_functions_are_no_fields() -> None:
    text = "env = {}\nfor name in 'ab':\n    env[name] = '1'\ndef f():\n    packages = 1\n"
    assert _spec(text) == ImageSpec(env={"a": "1", "b": "1"})


@pytest.mark.parametrize("text", ["", "  \n", "# a comment\n"])
def test_empty_cell_is_told_what_to_write(text: str) -> None:
    assert "ImageSpec(" in _refused(text)


@pytest.mark.parametrize(("text", "kind"), [("1", "int"), ("'x'", "str"), ("None", "NoneType")])
def test_expression_that_is_no_spec_is_told_its_type(text: str, kind: str) -> None:
    assert kind in _refused(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[]", "an empty list"),
        ("ImageSpec", "to make one, call it: ImageSpec(…)"),
        ("{'a': ImageSpec(), 'b': 'debian'}", "['b'] is str"),
    ],
)
def test_value_that_is_none_is_told_for_what_it_is(text: str, told: str) -> None:
    assert told in _refused(text)


@pytest.mark.parametrize("text", ["import os", "def f():\n    pass", "for x in []:\n    pass"])
def test_cell_that_makes_nothing_is_refused(text: str) -> None:
    assert "no ImageSpec" in _refused(text)


def test_mistake_in_the_syntax_is_told_with_its_line() -> None:
    assert "line 2: packages = [" in _refused("name = 'x'\npackages = [\n")


def test_character_that_python_cannot_read_is_refused() -> None:
    assert "null bytes" in _refused("name = 'x'\0")


def test_type_without_a_value_is_refused() -> None:
    assert "packages has a type and no value" in _refused("packages: list[str]")


def test_type_without_a_value_is_refused_beside_other_fields() -> None:
    assert "packages" in _refused("name = 'x'\npackages: list[str]")


def test_spec_that_is_only_assigned_is_told_what_to_write() -> None:
    message = _refused("spec = ImageSpec(name='x')")
    assert "ImageSpec(" in message


@pytest.mark.parametrize("text", ["ImageSpec(packages='x')", "packages = 'x'"])
def test_value_that_flytekit_refuses_is_told_by_its_field(text: str) -> None:
    with pytest.raises(SpecError) as caught:
        _spec(text)
    assert [problem.field for problem in caught.value.problems] == ["packages"]


def test_a_login_in_a_registry_that_flytekit_refuses_is_not_told() -> None:
    with pytest.raises(SpecError, match="without what stands before the host") as caught:
        _spec("registry = 'me:hunter22@host.example'")
    assert "hunter22" not in str(caught.value)


def test_registry_that_flytekit_refuses_is_told() -> None:
    with pytest.raises(SpecError, match="registry: 'a b' is no registry; expected host"):
        _spec("registry = 'a b'")


@pytest.mark.parametrize("text", ["1 / 0\nname = 'x'", "ImageSpec(name=str(1 / 0))"])
def test_error_of_the_cell_is_the_cells_own(text: str) -> None:
    with pytest.raises(ZeroDivisionError):
        _spec(text)


def test_error_of_an_argument_is_not_taken_for_flytekits() -> None:
    with pytest.raises(ValueError, match="invalid literal") as caught:
        _spec("ImageSpec(packages=[str(int('x'))])")
    assert not isinstance(caught.value, SpecError)


# Options beat the cell.


def test_option_takes_the_fields_place() -> None:
    spec = with_options(ImageSpec(name="x", packages=["a"]), {"name": "y", "platform": None})
    assert (spec.name, spec.packages, spec.platform) == ("y", ["a"], "linux/amd64")


def test_spec_of_the_notebook_is_not_changed_by_an_option() -> None:
    mine = ImageSpec(name="x")
    with_options(mine, {"name": "y"})
    assert mine.name == "x"


def test_option_changes_the_tag() -> None:
    mine = ImageSpec(name="x")
    assert mine.tag
    assert with_options(mine, {"base_image": "debian"}).tag != mine.tag


def test_option_keeps_the_demand_for_a_new_build() -> None:
    assert with_options(ImageSpec().force_push(), {"name": "x"})._is_force_push  # noqa: SLF001


def test_option_that_flytekit_refuses_is_told() -> None:
    with pytest.raises(SpecError, match="registry: 'a b' is no registry; expected host"):
        with_options(ImageSpec(), {"registry": "a b"})

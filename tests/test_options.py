"""The options of the magics."""

from __future__ import annotations

import dataclasses

import pytest
from flytekit import ImageSpec
from IPython.core.error import UsageError

from envd_magic.interactive.options import (
    SPEC_OPTIONS,
    HelpRequested,
    MagicParser,
    build_parser,
    close_option,
    doctor_parser,
    preview_parser,
)


def _refused(line: str, parser: MagicParser | None = None) -> str:
    with pytest.raises(UsageError) as caught:
        (parser or build_parser()).parse_line(line)
    return str(caught.value)


def test_line_of_nothing_asks_for_nothing() -> None:
    found = vars(build_parser().parse_line(""))
    assert not any(found.values())


def test_word_alone_is_the_variable() -> None:
    assert build_parser().parse_line("image").variable == "image"


@pytest.mark.parametrize("name", SPEC_OPTIONS)
def test_option_of_a_field_is_named_as_the_field(name: str) -> None:
    option = f"--{name.replace('_', '-')}"
    assert getattr(build_parser().parse_line(f"{option} x"), name) == "x"
    assert name in {field.name for field in dataclasses.fields(ImageSpec)}


@pytest.mark.parametrize("line", ["image --name x", "--name x image", "--name=x image"])
def test_options_stand_before_or_after_the_variable(line: str) -> None:
    found = build_parser().parse_line(line)
    assert (found.variable, found.name) == ("image", "x")


def test_words_are_quoted_as_in_a_shell() -> None:
    assert build_parser().parse_line("--context 'my context'").context == "my context"


@pytest.mark.parametrize(("line", "push"), [("", None), ("--push", True), ("--no-push", False)])
def test_push_is_asked_for_forbidden_or_left_open(line: str, push: bool | None) -> None:
    assert build_parser().parse_line(line).push is push


@pytest.mark.parametrize("name", ["force", "dry_run"])
def test_switch_is_off_until_it_is_named(name: str) -> None:
    assert getattr(build_parser().parse_line(""), name) is False
    assert getattr(build_parser().parse_line(f"--{name.replace('_', '-')}"), name) is True


@pytest.mark.parametrize("parser", [build_parser(), preview_parser(), doctor_parser()])
@pytest.mark.parametrize("line", ["--help", "-h", "a b c --help --nonsense"])
def test_help_is_asked_for_whatever_else_is_there(parser: MagicParser, line: str) -> None:
    with pytest.raises(HelpRequested) as caught:
        parser.parse_line(line)
    assert str(caught.value).startswith(f"usage: {parser.prog}")


@pytest.mark.parametrize(
    "option",
    ["--name", "--registry", "--platform", "--base-image", "--context", "--push", "--no-push"]
    + ["--force", "--dry-run", "VARIABLE"],
)
def test_help_tells_every_option(option: str) -> None:
    with pytest.raises(HelpRequested) as caught:
        build_parser().parse_line("--help")
    assert option in str(caught.value)


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("--plaform linux/amd64", "--platform"),
        ("--base_image debian", "--base-image"),
        ("--dryrun", "--dry-run"),
        ("--nopush", "--no-push"),
        ("--contxt=x", "--context"),
    ],
)
def test_misspelt_option_is_told_the_close_one(line: str, meant: str) -> None:
    message = _refused(line)
    assert f"did you mean {meant}?" in message
    assert line.partition(" ")[0].partition("=")[0] in message


def test_option_that_is_like_no_other_is_told_so() -> None:
    message = _refused("--zzzzzz")
    assert "there is no option --zzzzzz" in message
    assert "did you mean" not in message


@pytest.mark.parametrize("line", ["--pla linux/amd64", "--fo"])
def test_option_cannot_be_cut_short(line: str) -> None:
    assert "there is no option" in _refused(line)


def test_second_variable_is_one_word_too_many() -> None:
    assert "'other' is one word too many" in _refused("image other")


@pytest.mark.parametrize("line", ["--name", "--force=yes", "--push=yes"])
def test_option_with_too_little_or_too_much_is_refused(line: str) -> None:
    assert line.partition("=")[0] in _refused(line)


def test_quote_that_is_not_closed_is_told_with_the_line() -> None:
    assert "--name 'x" in _refused("  --name 'x ")


@pytest.mark.parametrize("line", ["--zzz", "--name", "'", "a b"])
def test_mistake_names_the_magic_and_its_help(line: str) -> None:
    message = _refused(line)
    assert message.startswith("%%envd_build: ")


def test_preview_needs_a_spec() -> None:
    assert "SPEC" in _refused("", preview_parser())


def test_preview_takes_a_quoted_expression() -> None:
    assert preview_parser().parse_line("'ImageSpec(name=\"x\")'").spec == 'ImageSpec(name="x")'


def test_doctor_needs_nothing() -> None:
    found = doctor_parser().parse_line("")
    assert (found.spec, found.context) == (None, None)


def test_doctor_takes_a_spec_and_a_context() -> None:
    found = doctor_parser().parse_line("image --context mine")
    assert (found.spec, found.context) == ("image", "mine")


def test_close_option_is_none_where_none_is_close() -> None:
    assert close_option("--zzzz", ["--name"]) is None


def test_one_letter_options_are_not_offered() -> None:
    assert close_option("--n", ["-n"]) is None

"""The options of the magics."""

from __future__ import annotations

import dataclasses
import re
from typing import Any

import pytest
from flytekit import ImageSpec
from IPython.core.error import UsageError

from envd_magic.errors import CellError
from envd_magic.interactive.commands import COMMANDS, overview
from envd_magic.interactive.examining import doctor_parser
from envd_magic.interactive.options import (
    SPEC_OPTIONS,
    HelpRequested,
    MagicParser,
    build_parser,
    close_option,
    expanded,
    preview_parser,
    run_parser,
    spec_build_parser,
)
from envd_magic.spec.names import BUILDERS

from .shells import shell


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


@pytest.mark.parametrize("line", ["x y --force", "x --force y", "--force x y"])
def test_options_stand_between_a_spec_and_the_variable_too(line: str) -> None:
    found = spec_build_parser().parse_line(line)
    assert (found.spec, found.variable, found.force) == ("x", "y", True)


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


# Help is one text, however it is asked for.


@pytest.fixture(scope="module")
def ip() -> Any:
    return shell()


def test_overview_is_the_same_with_help_and_with_nothing(ip: Any) -> None:
    assert ip.do("%envd --help") == ip.do("%envd") == ip.do("%envd ?") == f"{overview()}\n"


def test_help_needs_no_body(ip: Any) -> None:
    assert ip.do("%%envd_build --help") == f"{build_parser().format_help()}\n"


def test_cell_without_a_body_is_told_what_to_write(ip: Any) -> None:
    with pytest.raises(CellError, match="the cell is empty; write an ImageSpec"):
        ip.do("%%envd_build trainer")


def test_question_mark_after_a_magic_shows_what_help_shows(ip: Any) -> None:
    for name in ("%%envd_build", "%envd"):
        asked = ip.do(f"{name}?")
        shown = ip.do(f"{name} --help")
        assert _words(shown) <= _words(asked)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("mark", ["?", " ?", "??", " trainer?"])
def test_question_mark_after_a_command_shows_what_help_shows(
    ip: Any, command: str, mark: str
) -> None:
    assert ip.do(f"%envd {command}{mark}") == ip.do(f"%envd {command} --help")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command_tells_its_options_and_begins_with_its_usage(
    ip: Any, command: str
) -> None:
    text = ip.do(f"%envd {command} --help")
    assert text.startswith(f"usage: %envd {command}")
    assert COMMANDS[command].help in text
    assert all(option in text for option in COMMANDS[command].parser().options)
    assert f"  {command} " in overview()


def test_one_percent_sign_is_before_a_line_magic(ip: Any) -> None:
    for text in (overview(), *(ip.do(f"%envd {command} --help") for command in COMMANDS)):
        assert set(re.findall(r"%%\w+", text)) <= {"%%envd_build"}


def test_help_of_contexts_tells_the_kinds_of_builders(ip: Any) -> None:
    text = ip.do("%envd context --help")
    assert all(f"  {kind} " in text and address in text for kind, address in BUILDERS.items())


def test_help_does_not_change_with_the_width_of_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    narrow = build_parser().format_help()
    monkeypatch.setenv("COLUMNS", "200")
    assert build_parser().format_help() == narrow


def _words(text: str) -> set[str]:
    return set(text.split())


# Commands of %envd.


@pytest.mark.parametrize(
    ("line", "meant"),
    [
        ("biuld x", "did you mean 'build'?"),
        ("img", "did you mean 'images'?"),
        ("build x --backgroud", "did you mean --background?"),
        ("images --older 3", "did you mean --older-than?"),
        ("log --line 3", "did you mean --lines?"),
        ("wait x", "'x' is no number"),
        ("log --lines many", "'many' is no number"),
        ("builds x", "'x' is one word too many"),
        ("run --evn A=1 x y", "did you mean --env?"),
        ("run --env A x y", "'A' is not of the form NAME=VALUE"),
        ("run x", "no command"),
    ],
)
def test_mistake_in_a_command_is_told(ip: Any, line: str, meant: str) -> None:
    with pytest.raises(UsageError) as caught:
        ip.do(f"%envd {line}")
    assert meant in str(caught.value)


@pytest.mark.parametrize(
    ("line", "spec", "env", "command"),
    [
        ("trainer python -V", "trainer", None, ["python", "-V"]),
        ("trainer ls --help", "trainer", None, ["ls", "--help"]),
        ("trainer -- ls -la", "trainer", None, ["ls", "-la"]),
        ("trainer sh -c 'echo \"a  b\"'", "trainer", None, ["sh", "-c", 'echo "a  b"']),
        ("--env A=1 trainer env", "trainer", [("A", "1")], ["env"]),
        ("--env=A=1 --env B= trainer env", "trainer", [("A", "1"), ("B", "")], ["env"]),
        ("trainer env --env C=3", "trainer", None, ["env", "--env", "C=3"]),
    ],
)
def test_all_that_stands_after_the_spec_is_the_command_to_run(
    line: str, spec: str, env: Any, command: list[str]
) -> None:
    found = run_parser().parse_line(line)
    assert (found.spec, found.env, found.command) == (spec, env, command)


# The notebook's variables.

VARIABLES = {"name": "mine", "i": 5, "n": {"a": 1}}


@pytest.mark.parametrize(
    ("line", "becomes"),
    [
        ("--name {name}", "--name mine"),
        ("--name $name", "--name mine"),
        ('--name "{name} $i"', '--name "mine 5"'),
        ("--name {n['a']}", "--name 1"),
        ("--name {unknown} $unknown", "--name {unknown} $unknown"),
        ("sh -c 'for i in 1 2; do echo $i; done'", "sh -c 'for i in 1 2; do echo $i; done'"),
        ("python -c 'print({i: 2})' {name}", "python -c 'print({i: 2})' mine"),
        ('echo "it\'s $name"', 'echo "it\'s mine"'),
        (r"echo it\'s $name", r"echo it\'s mine"),
        ("echo 'open $name", "echo 'open mine"),
    ],
)
def test_variables_are_put_in_except_in_single_quotes(line: str, becomes: str) -> None:
    assert expanded(line, VARIABLES) == becomes


def test_variables_of_the_notebook_reach_the_options(ip: Any) -> None:
    ip.user_ns["wanted"] = "from-the-notebook"
    text = ip.do("%%envd_build --dry-run --name {wanted}\nImageSpec()")
    assert text.startswith("# from-the-notebook:")


# Specs that are meant.


def test_variable_that_is_not_there_is_told_with_those_that_are(ip: Any) -> None:
    ip.user_ns.update(trainer=ImageSpec(name="x"), several=[ImageSpec(name="y")], number=1)
    with pytest.raises(UsageError, match=r"did you mean trainer\?") as caught:
        ip.do("%envd preview trainr")
    assert "several" in str(caught.value)
    assert "number" not in str(caught.value)
    ip.user_ns.pop("several")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("number", "number is int, not an ImageSpec"),
        ("'trainer.nothing'", "AttributeError"),
        ('ImageSpec(name="x")', "goes into single quotes"),
        ("[]", "is an empty list"),
    ],
)
def test_what_is_no_spec_is_told(ip: Any, line: str, told: str) -> None:
    ip.user_ns.update(trainer=ImageSpec(name="x"), number=1)
    with pytest.raises(UsageError) as caught:
        ip.do(f"%envd preview {line}")
    assert told in str(caught.value)


def test_expression_in_quotes_is_a_spec(ip: Any) -> None:
    assert ip.do("""%envd preview 'ImageSpec(name="x", env={"A": "b"})'""").startswith("# x:")


def test_one_name_for_several_images_is_refused(ip: Any) -> None:
    with pytest.raises(UsageError, match="--name gives one name to 2 images"):
        ip.do("%%envd_build --name x --dry-run\n[ImageSpec(), ImageSpec()]")


def test_name_that_no_variable_can_have_is_refused(ip: Any) -> None:
    for word in ("1st", "class", "a-b"):
        with pytest.raises(UsageError, match="is no name of a variable"):
            ip.do(f"%%envd_build {word} --dry-run\nImageSpec()")

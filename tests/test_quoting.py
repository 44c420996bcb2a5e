"""Any text arrives as it was, through the real envd and a real bash."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from envd_magic.recipe.quoting import (
    exports,
    heredoc,
    heredoc_word,
    run_script,
    shell,
    starlark,
    starlark_block,
    starlark_list,
)

from .interpreted import Interpreter, interpreter

if TYPE_CHECKING:
    from pathlib import Path

# What no program can be given is refused before anything is quoted.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
# The characters that any of the languages does something with, next to each other.
LIVE = st.text(
    st.sampled_from("'\"\\$`!#&|;<>(){}[]*?~%=@,:^ \t\n\r\v\f\x1b\x7f\x85\u2028\ufeffaé😀")
)
TEXTS = st.lists(TEXT | LIVE, min_size=150, max_size=200)
NAMES = st.from_regex(r"\Amagic_[a-z0-9_]{0,5}\Z")

TRICKY = [
    "",
    "'",
    "'''",
    '"',
    '"""',
    '""""""',
    'a"',
    "\\",
    "\\\\",
    "a\\",
    "\\'",
    '\\"',
    '\\"""',
    "'\\''",
    "$(id) `id` $HOME ${HOME}",
    "# not a comment",
    "a\n\n b\n",
    "\n",
    " ",
    "\t",
    "\r\n",
    "%s %d",
    "!history",
    "~",
    "*",
    "{a,b}",
    "é あ 😀",
    "\x01\x1f\x7f",
    "\x85\u2028\u2029",
    "\ufeff",
    "\uffff",
    "\U0010ffff",
    "\\x41 \\u0041 \\n",
    "cat <<'E'\n'\nE\n",
]

# One call of envd costs as much as hundreds of strings in it; to shrink a failure takes hundreds of
# calls, and the string that did not survive is shown by itself anyway.
_through_envd = settings(
    max_examples=10,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.large_base_example,
    ],
)
_through_bash = settings(max_examples=20, deadline=None)


@pytest.fixture(scope="module")
def envd(tmp_path_factory: pytest.TempPathFactory) -> Interpreter:
    return interpreter(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("build") / "spec"


def _single(value: str) -> str:
    """Only what run() itself needs, so that the rest of the proof is the quoting under test."""
    return value.replace("'", "'\\''")


def _bash(script: str) -> bytes:
    done = subprocess.run(
        ["bash", "-s"], input=script.encode(), capture_output=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout


def _rules(values: list[str]) -> str:
    return "".join(f"    run(commands=[{value}])\n" for value in values)


def _changed(values: list[str], arrived: list[str]) -> list[tuple[str, str]]:
    return [pair for pair in zip(values, arrived, strict=True) if pair[0] != pair[1]]


@_through_envd
@given(values=TEXTS)
def test_any_text_survives_a_starlark_string(
    envd: Interpreter, folder: Path, values: list[str]
) -> None:
    rules = _rules([starlark(_single(value)) for value in values])
    assert _changed(values, envd.scripts(rules, folder)) == []


@_through_envd
@given(values=TEXTS)
def test_any_text_survives_a_starlark_string_over_several_lines(
    envd: Interpreter, folder: Path, values: list[str]
) -> None:
    rules = _rules([starlark_block(_single(value)) for value in values])
    assert _changed(values, envd.scripts(rules, folder)) == []


@_through_envd
@given(values=TEXTS)
def test_any_script_arrives_in_bash_as_it_is(
    envd: Interpreter, folder: Path, values: list[str]
) -> None:
    scripts = envd.scripts(_rules([run_script(value) for value in values]), folder)
    assert _changed(values, scripts) == []


@pytest.mark.parametrize("value", TRICKY)
def test_tricky_script_arrives_in_bash_as_it_is(
    envd: Interpreter, folder: Path, value: str
) -> None:
    assert envd.scripts(_rules([run_script(value)]), folder) == [value]


def test_tricky_texts_survive_in_a_list(envd: Interpreter, folder: Path) -> None:
    commands = starlark_list(_single(value) for value in TRICKY)
    (script,) = envd.scripts(f"    run(commands={commands})\n", folder)
    assert script == "\n".join(TRICKY)


@pytest.mark.parametrize("size", [1000, 100_000])
def test_long_text_arrives_whole(envd: Interpreter, folder: Path, size: int) -> None:
    value = "'\"\\é\n" * (size // 6)
    assert envd.scripts(_rules([run_script(value)]), folder) == [value]


@given(value=TEXT | LIVE)
def test_starlark_string_stays_on_one_line(value: str) -> None:
    assert "\n" not in starlark(value)
    assert "\r" not in starlark(value)


@_through_bash
@given(values=st.lists(TEXT | LIVE, min_size=20))
def test_any_text_is_one_word_of_a_real_bash(values: list[str]) -> None:
    words = " ".join(shell(value) for value in values)
    assert _bash(f"printf '%s\\0' {words}\n").decode().split("\0") == [*values, ""]


@_through_bash
@given(variables=st.dictionaries(NAMES, TEXT | LIVE, min_size=10))
def test_any_value_is_exported_by_a_real_bash(variables: dict[str, str]) -> None:
    script = f"set -euo pipefail\n{exports(variables)}env --null\n"
    pairs = dict(line.split("=", 1) for line in _bash(script).decode().split("\0") if line)
    assert {name: pairs.get(name) for name in variables} == variables


@_through_envd
@given(several=st.lists(st.dictionaries(NAMES, TEXT | LIVE, min_size=1), min_size=20))
def test_exports_of_any_value_reach_bash_through_envd(
    envd: Interpreter, folder: Path, several: list[dict[str, str]]
) -> None:
    scripts = [exports(variables) for variables in several]
    assert envd.scripts(_rules([run_script(script) for script in scripts]), folder) == scripts


# Base images set these; in bash they are read-only, or no names at all.
@pytest.mark.parametrize("name", ["UID", "EUID", "PPID", "with.dot", "with-dash"])
def test_variable_that_bash_cannot_export_does_not_end_the_script(name: str) -> None:
    script = f"set -euo pipefail\n{exports({name: '1000', 'LAST': 'here'})}echo $LAST\n"
    assert _bash(script) == b"here\n"


@given(text=TEXT | LIVE | st.lists(st.sampled_from(["E", "E_", "E__", ""])).map("\n".join))
def test_end_word_is_no_line_of_the_text(text: str) -> None:
    word = heredoc_word(text, "E")
    assert word.startswith("E")
    assert word not in text.split("\n")


def test_end_word_stays_where_the_text_does_not_have_it() -> None:
    assert heredoc_word("EE\n E\nE ", "E") == "E"


@_through_bash
@given(text=TEXT | LIVE | st.lists(st.sampled_from(["E", "E_", "'", "$x"])).map("\n".join))
def test_any_text_survives_a_heredoc_of_a_real_bash(text: str) -> None:
    text += "\n"
    word = heredoc_word(text, "E")
    assert _bash(f"cat <<'{word}'\n{heredoc(text, word)}").decode() == text


def test_text_without_a_line_end_gets_one_in_a_heredoc() -> None:
    assert heredoc("a", "E") == "a\nE\n"

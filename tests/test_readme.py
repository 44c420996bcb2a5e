"""The README says what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from envd_magic.interactive.options import build_parser
from envd_magic.spec.fields import FIELDS

from .notebooks import SPEC, run, write

if TYPE_CHECKING:
    import pytest

README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- fields: begin -->\n", "<!-- fields: end -->"


def table() -> str:
    """Give the table of fields."""
    rows = "".join(f"| `{field.name}` | {field.fate} |\n" for field in FIELDS)
    return f"| field | fate |\n| --- | --- |\n{rows}"


def test_the_table_of_fields_is_the_one_in_the_code() -> None:
    text = README.read_text(encoding="utf-8")
    assert text[text.index(BEGIN) + len(BEGIN) : text.index(END)] == table()


def test_every_option_is_described() -> None:
    text = README.read_text(encoding="utf-8")
    options = [name for action in build_parser()._actions for name in action.option_strings]  # noqa: SLF001
    assert [name for name in options if f"`{name}" not in text] == []


def test_it_begins_with_the_two_commands() -> None:
    lines = README.read_text(encoding="utf-8").splitlines()
    assert lines[3].startswith("make demo")
    assert lines[4].startswith("make test")


def test_every_command_and_option_of_the_command_line_is_described() -> None:
    from envd_magic.headless.cli import main

    text = README.read_text(encoding="utf-8")
    left_out = []
    for name, command in main.commands.items():
        left_out += [name] if f"envd-magic {name}" not in text else []
        for option in command.params:
            names = [one for one in (*option.opts, *option.secondary_opts) if one.startswith("--")]
            short = [f"{one} " for one in option.opts if len(one) == 2]
            if names and not any(one in text for one in (*names, *short)):
                left_out.append(f"{name} {names[0]}")
    assert left_out == []


def test_every_command_of_the_magic_is_described() -> None:
    from envd_magic.interactive.commands import COMMANDS

    text = README.read_text(encoding="utf-8")
    assert [
        name for name in COMMANDS if f"%envd {name}" not in text and f"`{name}`" not in text
    ] == []


def test_every_notebook_is_named_and_the_repository_in_one_place() -> None:
    text = README.read_text(encoding="utf-8")
    notebooks = sorted(path.name for path in (README.parent / "notebooks").glob("*.ipynb"))
    assert [name for name in notebooks if f"(notebooks/{name})" not in text] == []
    assert text.count("mybinder.org/v2/") == 1


def commands(block: str) -> list[str]:
    """Give the lines of a block of shell commands, without their comments."""
    return [line.partition("#")[0].strip() for line in block.splitlines() if line.strip()]


def test_the_commands_of_the_command_line_run_as_they_are_written(
    lab: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = README.read_text(encoding="utf-8")
    section = text[text.index("## The command line") :]
    block = section[section.index("```sh\n") + 6 :].partition("```")[0]
    (tmp_path / "notebooks").mkdir()
    for path in (tmp_path / "train.ipynb", tmp_path / "notebooks" / "a.ipynb"):
        write(path, "import yaml", f"%%envd_build trainer\n{SPEC}")
    (tmp_path / "flow.py").write_text(f"from flytekit import ImageSpec\nspec = {SPEC}\n")
    monkeypatch.chdir(tmp_path)
    lines = commands(block)
    assert len(lines) == 4
    for line in [*lines, "envd-magic freeze train.ipynb"]:
        program, *words = line.split()
        assert program == "envd-magic"
        result = run(*words)
        assert result.exit_code == 0, f"{line}: {result.output}"


def test_the_magics_are_written_as_they_are_understood() -> None:
    from envd_magic.interactive.commands import COMMANDS

    text = README.read_text(encoding="utf-8")
    written = re.findall(r"`%envd ([a-z]+) ([^`\[…]*)`", text)
    assert {"freeze", "history", "record", "replay", "pin"} <= {name for name, _ in written}
    for name, words in written:
        COMMANDS[name].parser().parse_line(words)

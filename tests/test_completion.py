"""What is offered while a magic, a cell or an ImageSpec is being written, and help there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from IPython.core.completer import provisionalcompleter

from envd_magic.errors import SpecError
from envd_magic.interactive.commands import COMMANDS, overview
from envd_magic.interactive.contexts import context_parser
from envd_magic.interactive.hover import help_at
from envd_magic.interactive.options import build_parser
from envd_magic.records import history
from envd_magic.spec.fields import BY_NAME

from .kernels import Kernel, kernel
from .shells import shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

OPTIONS = set(build_parser().options)
FILES = {"code/", "data.csv", "reqs.txt"}
CONTEXTS = {"default", "flyte-sandbox"}


@pytest.fixture(scope="module")
def made() -> Any:
    ip = shell()
    base = ImageSpec(name="base", base_image="debian:12", registry="localhost:5000")
    ip.user_ns.update(trainer=base, several=[base], packages_of_mine=1, number=1, _hidden=base)
    return ip


@pytest.fixture
def ip(made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    for name in ("data.csv", "reqs.txt"):
        (tmp_path / name).write_text("")
    (tmp_path / "code" / "deep").mkdir(parents=True)
    return made


def offered(ip: Any, text: str) -> set[str]:
    """Give what can stand where the bar is, as it would stand there."""
    before, _, after = text.partition("|")
    with provisionalcompleter():
        found = list(ip.Completer.completions(before + after, len(before)))
    return {item.text for item in found}


# The magics' lines.


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("%envd replay |", FILES | {"--help", "--speed"}),
        ("%envd record trainer |", FILES | {"--help"}),
        ("%envd record tr|", {"trainer"}),
        ("%envd report tr|", {"trainer"}),
        ("%envd report trainer |", FILES | {"--help", "--context"}),
        ("%envd doctor tr|", {"trainer"}),
        ("%envd history --remove |", {"7"}),
        ("%envd history --remove=|", {"7"}),
        ("%envd history 7|", {"7"}),
        ("%envd pin tr|", {"trainer"}),
        ("%envd context re|", {"remove"}),
        ("%envd context check |", CONTEXTS | set(context_parser().options)),
        ("%envd context add x --builder k|", {"kube-pod"}),
        ("%envd context add x --certificates co|", {"code/"}),
        ("%envd run --context flyte|", {"flyte-sandbox"}),
        ("%envd verify trainer --context d|", {"default"}),
    ],
)
def test_words_of_commands_for_what_is_kept_are_offered(
    ip: Any, line: str, there: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "entries", lambda: [history.Entry(7, 0.0, "x", "", {})])
    assert offered(ip, line) == there


def test_a_key_press_is_no_place_for_an_error_about_contexts(ip: Any, tmp_path: Path) -> None:
    (tmp_path / "home/data").mkdir(parents=True, exist_ok=True)
    (tmp_path / "home/data/contexts.json").write_text("nonsense")
    assert offered(ip, "%envd context check x|") == {"x"}


@pytest.mark.parametrize("line", ["%%envd_build --|", "%%envd_build trainer --|\nImageSpec()"])
def test_options_are_offered_and_nothing_else(ip: Any, line: str) -> None:
    assert offered(ip, line) == OPTIONS


def test_options_that_are_there_are_not_offered_again(ip: Any) -> None:
    found = offered(ip, "%%envd_build --force --name=x --registry y --|")
    assert found == OPTIONS - {"--force", "--name", "--registry"}


def test_option_that_can_be_repeated_is_offered_again(ip: Any) -> None:
    assert "--env" in offered(ip, "%envd run --env A=1 --|")


def test_part_of_an_option_is_completed(ip: Any) -> None:
    assert offered(ip, "%%envd_build --pu|") == {"--push"}
    assert offered(ip, "%%envd_build --no-p|") == {"--no-push"}


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("--installer |", {"uv", "pip"}),
        ("--installer=|", {"uv", "pip"}),
        ("--installer p|", {"pip"}),
        ("--platform |", {"linux/amd64", "linux/arm64"}),
        ("--base-image |", {"debian:12"}),
        ("--name |", {"base"}),
        ("--registry local|", {"localhost:5000", "localhost:30000"}),
        ("--registry=localhost:5|", {"localhost:5000"}),
    ],
)
def test_values_of_an_option_are_offered(ip: Any, line: str, values: set[str]) -> None:
    assert offered(ip, f"%%envd_build {line}") == values


def test_registries_that_images_went_to_and_logins_are_offered(ip: Any, tmp_path: Path) -> None:
    from envd_magic.engine.seen import note_registry

    note_registry("seen.example/team")
    logins = '{"auths": {"https://login.example": {"auth": "aHVzaDpodXNo"}}}'
    (tmp_path / "config.json").write_text(logins)
    found = offered(ip, "%%envd_build --registry |")
    assert {"seen.example/team", "login.example"} <= found
    assert "aHVzaDpodXNo" not in str(found)


def test_variables_that_hold_specs_are_offered(ip: Any) -> None:
    for command in ("preview", "build", "doctor", "run"):
        found = offered(ip, f"%envd {command} |")
        assert {"trainer", "several"} <= found
        assert not {"number", "_hidden", "packages_of_mine"} & found


def test_magics_first_word_is_a_variable_or_an_option(ip: Any) -> None:
    assert offered(ip, "%%envd_build |") == {"trainer", "several", *OPTIONS}
    assert offered(ip, "%%envd_build tr|") == {"trainer"}


def test_word_too_many_is_not_offered(ip: Any) -> None:
    assert "trainer" not in offered(ip, "%%envd_build trainer |")
    assert "trainer" not in offered(ip, "%envd preview trainer |")


def test_commands_are_offered(ip: Any) -> None:
    assert offered(ip, "%envd |") == set(COMMANDS)
    assert offered(ip, "%envd bu|") == {"build", "builds"}


@pytest.mark.parametrize("command", COMMANDS)
def test_options_of_every_command_are_offered(ip: Any, command: str) -> None:
    assert offered(ip, f"%envd {command} --|") == set(COMMANDS[command].parser().options)


@pytest.mark.usefixtures("ip")
def test_builds_that_failed_are_offered_where_one_is_to_be_fixed() -> None:
    own = shell()
    assert offered(own, "%envd fix --build |") == {""}
    with pytest.raises(SpecError):
        own.do("%%envd_build\nImageSpec(name='x', base_image='x:1', copy=['gone'])")
    assert offered(own, "%envd fix --build |") == {"1"}


def test_files_are_offered_where_a_log_is_saved(ip: Any) -> None:
    assert offered(ip, "%envd log --save |") == {"code/", "data.csv", "reqs.txt"}
    assert offered(ip, "%envd log --save co|") == {"code/"}
    assert offered(ip, "%envd log --save code/|") == {"code/deep/"}


@pytest.mark.parametrize(
    "text",
    ["%envd wait 9|", "%%envd_build --context nowhere|", "%envd run trainer ls |"]
    + ["%envd log --lines |", "%envd images --keep |", "%%envd_build --name zzz|", "%envd zzz|"]
    + ["%%envd_build --yaml\nenv:\n  |", "%%envd_build\nImageSpec(commands=['ls d|"],
)
def test_where_nothing_is_known_nothing_foreign_is_offered(ip: Any, text: str) -> None:
    before = text.partition("|")[0]
    (word,) = offered(ip, text) - OPTIONS - {"--help"}
    assert before.endswith(word)


def test_mistake_in_a_project_does_not_break_completion(ip: Any, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.envd_magic]\nregistri = 1")
    assert "localhost:5000" in offered(ip, "%%envd_build --registry |")


# Fields.


@pytest.mark.parametrize(
    "text",
    [
        "ImageSpec(|",
        "x = ImageSpec(|)",
        "import os\n\nspec = ImageSpec(\n    |\n)",
        "%%envd_build\nImageSpec(|",
        "%%envd_build x --force\nimport os\nImageSpec(\n    |\n)",
        "%%envd_build\n[ImageSpec(name='a'), ImageSpec(|",
        "%%envd_build\n{'a': ImageSpec(|)}",
        "ImageSpec(base_image=ImageSpec(|",
    ],
)
def test_all_fields_are_offered_inside_a_spec_and_nothing_else(ip: Any, text: str) -> None:
    assert offered(ip, text) == {f"{name}=" for name in BY_NAME}


def test_fields_that_are_set_are_not_offered_again(ip: Any) -> None:
    found = offered(ip, "ImageSpec(\n    name='a',\n    base_image=ImageSpec(env={}),\n    |")
    assert found == {f"{name}=" for name in BY_NAME if name not in ("name", "base_image")}


def test_part_of_a_field_is_completed(ip: Any) -> None:
    assert offered(ip, "ImageSpec(apt|") == {"apt_packages="}
    assert offered(ip, "%%envd_build\nname = 'x'\napt|") == {"apt_packages = "}


def test_fields_are_offered_where_a_statement_of_a_cell_starts(ip: Any) -> None:
    found = offered(ip, "%%envd_build\nname = 'x'\n|")
    assert {"packages = ", "ImageSpec("} <= found
    assert "name = " not in found


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ImageSpec(packages=num|", "number"),
        ("ImageSpec(packages=[num|", "number"),
        ("%%envd_build\nname = num|", "number"),
        ("%%envd_build\nimp|", "import"),
        ("num|", "number"),
    ],
)
def test_values_and_other_code_are_pythons_own(ip: Any, text: str, value: str) -> None:
    assert value in offered(ip, text)


def test_cell_without_the_magic_is_pythons_own(ip: Any) -> None:
    assert "packages_of_mine" in offered(ip, "pack|")
    assert not any(name.endswith(("=", "= ")) for name in offered(ip, "pack|"))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("ImageSpec(requirements='|", {"code/", "data.csv", "reqs.txt"}),
        ("ImageSpec(requirements='re|", {"reqs.txt"}),
        ("ImageSpec(copy=['data.csv', 'code/|", {"code/deep/"}),
        ("%%envd_build\nsource_root = 'co|", {"code/"}),
        ("ImageSpec(platform='linux/ar|", {"linux/arm64"}),
        ("ImageSpec(registry='localhost:5|", {"localhost:5000"}),
        ("%%envd_build\nbase_image = 'de|", {"debian:12"}),
    ],
)
def test_values_of_a_field_are_offered_in_its_string(ip: Any, text: str, values: set[str]) -> None:
    assert offered(ip, text) == values


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("|", {f"{name}: " for name in BY_NAME}),
        ("name: x\napt|", {"apt_packages: "}),
        ("- name: x\n  apt|", {"apt_packages: "}),
        ("base_image:\n  apt|", {"apt_packages: "}),
        ("requirements: re|", {"reqs.txt"}),
        ("copy:\n  - co|", {"code/"}),
        ("platform: |", {"linux/amd64", "linux/arm64"}),
        ("source_copy_mode: A|", {"ALL"}),
        ("zzz|", {"zzz"}),
    ],
)
def test_fields_and_values_are_offered_in_yaml(ip: Any, text: str, values: set[str]) -> None:
    assert offered(ip, f"%%envd_build x --yaml\n{text}") == values


# Help where things are written.


def help_for(text: str) -> str | None:
    before, _, after = text.partition("|")
    return help_at(before + after, len(before))


@pytest.mark.parametrize(
    "text",
    [
        "ImageSpec(pack|ages=['a'])",
        "ImageSpec(packages|=['a'])",
        "ImageSpec(packages=['pan|das'])",
        "%%envd_build\npack|ages = []",
        "%%envd_build --yaml\npack|ages: []",
        "%%envd_build --yaml\n- name: it's\n  pack|ages: []",
    ],
)
def test_field_has_help_where_it_is_written(text: str) -> None:
    assert help_for(text) == BY_NAME["packages"].description


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("%%envd_build tr|ainer\nImageSpec()", build_parser().format_help()),
        ("x = 1\n%envd bui|ld trainer", COMMANDS["build"].parser().format_help()),
        ("%envd build trai|ner --force", COMMANDS["build"].parser().format_help()),
        ("%en|vd", overview()),
    ],
)
def test_magic_has_its_help_where_it_is_written(text: str, shown: str) -> None:
    assert help_for(text) == shown


@pytest.mark.parametrize(
    "text",
    ["pack|ages = 1", "ImageSpec|(name='a')", "ImageSpec(|", "ImageSpec(name=na|me)", "x = nam|e"]
    + ["%%envd_build\nprint(na|me)", "f(nam|e=1)", "%time x|"],
)
def test_everything_else_has_pythons_own_help(text: str) -> None:
    assert help_for(text) is None


@pytest.mark.parametrize("field", BY_NAME.values(), ids=lambda field: str(field.name))
def test_help_of_a_field_tells_what_it_takes_and_what_becomes_of_it(field: Any) -> None:
    assert field.description.startswith(f"{field.name}: {field.kind}")
    assert field.help in field.description
    assert field.fate in field.description


# In a real kernel, as front ends ask.


@pytest.fixture(scope="module")
def notebook(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with kernel(tmp_path_factory.mktemp("notebook")) as running:
        yield running


def asked(notebook: Kernel, text: str) -> tuple[list[str], str]:
    """Give what the kernel offers, and the text that it would take the place of."""
    before, _, after = text.partition("|")
    client = notebook.client
    reply = client.complete(before + after, len(before), reply=True, timeout=30)["content"]
    return reply["matches"], (before + after)[reply["cursor_start"] : reply["cursor_end"]]


@pytest.mark.parametrize(
    ("text", "matches", "replaced"),
    [
        ("%%envd_build --pus|", ["--push"], "--pus"),
        ("%%envd_build --installer=p|", ["pip"], "p"),
        ("%%envd_build x\nImageSpec(\n    apt|\n)", ["apt_packages="], "apt"),
        ("%%envd_build ü\n# ü\nImageSpec(platform='linux/am|", ["linux/amd64"], "linux/am"),
        ("%envd bui|", ["build", "builds"], "bui"),
        ("%envd log --lines |", [""], ""),
    ],
)
def test_kernel_offers_the_same(
    notebook: Kernel, text: str, matches: list[str], replaced: str
) -> None:
    assert asked(notebook, text) == (matches, replaced)


def test_kernel_gives_help_for_fields_and_its_own_for_the_rest(notebook: Kernel) -> None:
    def inspected(code: str, at: int) -> str:
        reply = notebook.client.inspect(code, at, reply=True, timeout=30)["content"]
        return str(reply["data"].get("text/plain", ""))

    assert inspected("ImageSpec(packages=[])", 14) == BY_NAME["packages"].description
    assert "Return the number of items" in inspected("len", 2)

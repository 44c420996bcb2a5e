"""Settings: %config, IPython's configuration and pyproject.toml, and which of them counts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from IPython.core.error import UsageError
from traitlets.config import Config

from envd_magic.errors import EnvdMagicError
from envd_magic.interactive.choose import build_options, configured
from envd_magic.interactive.options import build_parser
from envd_magic.interactive.settings import DEFAULTS, project_table
from envd_magic.pipeline.stop import Stop
from envd_magic.spec.several import Specs

from .shells import shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def ip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Give a shell in an empty folder."""
    monkeypatch.chdir(tmp_path)
    made = shell()
    yield made
    made.do("%unload_ext envd_magic")


def settings(ip: Any) -> Any:
    return ip.magics_manager.registry["EnvdMagic"]


def project(folder: Path, text: str) -> None:
    (folder / "pyproject.toml").write_text(f"[tool.envd_magic]\n{text}\n")


def applied(ip: Any, line: str = "", **fields: Any) -> ImageSpec:
    """Give what becomes of a spec with the options of a line and the settings."""
    specs = Specs((("", ImageSpec(name="x", **fields)),))
    found: ImageSpec = configured(specs, build_parser().parse_line(line), settings(ip)).value
    return found


def options(ip: Any, line: str = "") -> Any:
    return build_options(build_parser().parse_line(line), settings(ip), Stop())


# %config


@pytest.mark.parametrize("name", DEFAULTS)
def test_config_lists_every_setting_with_its_help(ip: Any, name: str) -> None:
    text = ip.do("%config EnvdMagic")
    assert f"EnvdMagic.{name}=<" in text
    assert settings(ip).traits()[name].help.split()[0] in text


def test_config_is_listed_among_the_others(ip: Any) -> None:
    assert "EnvdMagic" in ip.do("%config").split()


@pytest.mark.parametrize(
    ("name", "value"),
    [("context", "'mine'"), ("registry", "'localhost:5000/team'"), ("installer", "'pip'")]
    + [("push", "False"), ("log_folder", "'logs'"), ("tail", "30"), ("telemetry", "True")]
    + [("history", "False"), ("recordings", "False")],
)
def test_setting_can_be_set_and_is_shown(ip: Any, name: str, value: str) -> None:
    ip.do(f"%config EnvdMagic.{name} = {value}")
    assert repr(settings(ip).setting(name)) == value
    (line,) = [line for line in ip.do("%envd config").splitlines() if line.startswith(f"{name} ")]
    assert value in line
    assert "%config" in line


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("registri = 'x'", "did you mean 'registry'?"),
        ("installer = 'piip'", "did you mean 'pip'?"),
        ("registry = 'a b'", "'a b' is none; expected host[:port][/path]"),
        ("tail = 0", "should not be less than 1"),
        ("tail = 'many'", "expected an int, not the str 'many'"),
        ("push = 'yes'", "expected a boolean, not the str 'yes'"),
    ],
)
def test_mistake_is_told_and_changes_nothing(
    ip: Any, caplog: pytest.LogCaptureFixture, assignment: str, told: str
) -> None:
    with caplog.at_level(logging.ERROR):
        ip.do(f"%config EnvdMagic.{assignment}")
    assert told in caplog.text
    assert {name: settings(ip).setting(name) for name in DEFAULTS} == DEFAULTS
    ip.do("%config EnvdMagic.tail = 7")
    assert settings(ip).setting("tail") == 7


# IPython's configuration file.


def test_ipythons_configuration_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = Config()
    config.EnvdMagic.registry = "localhost:5000"
    assert settings(shell(config)).setting("registry") == "localhost:5000"


@pytest.mark.filterwarnings("ignore:Config option")
@pytest.mark.parametrize(
    ("name", "value", "told"),
    [("registri", "x", "did you mean 'registry'?"), ("tail", 0, "should not be less than 1")],
)
def test_mistake_in_ipythons_configuration_is_told_at_load(
    name: str, value: Any, told: str
) -> None:
    config = Config()
    config.EnvdMagic[name] = value
    with pytest.raises(UsageError) as caught:
        shell(config)
    assert str(caught.value).startswith("IPython's configuration: ")
    assert told in str(caught.value)


# pyproject.toml


def test_project_counts_for_what_nobody_set(ip: Any, tmp_path: Path) -> None:
    project(tmp_path, 'registry = "localhost:5000"\nlog-folder = "logs"\ntail = 20')
    assert settings(ip).setting("registry") == "localhost:5000"
    assert settings(ip).setting("tail") == 20
    assert str(tmp_path / "pyproject.toml") in ip.do("%envd config")


def test_project_is_found_from_a_folder_inside_and_its_folder_is_meant(
    ip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project(tmp_path, 'log_folder = "logs"')
    inside = tmp_path / "notebooks"
    inside.mkdir()
    monkeypatch.chdir(inside)
    assert settings(ip).setting("log_folder") == str(tmp_path / "logs")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('registri = "x"', "did you mean 'registry'?"),
        ('installer = "piip"', "did you mean 'pip'?"),
        ('registry = "a b"', "'a b' is none"),
        ("tail = 999", "should not be greater than 200"),
        ('telemetry = "no"', "expected a boolean, not the str 'no'"),
        ("tail = ", "cannot be read"),
    ],
)
def test_mistake_in_a_project_is_told_with_its_file(
    ip: Any, tmp_path: Path, text: str, told: str
) -> None:
    project(tmp_path, text)
    with pytest.raises(UsageError) as caught:
        ip.do("%envd config")
    assert str(tmp_path / "pyproject.toml") in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("text", ["", "[tool.other]\na = 1", "tool = 3"])
def test_project_that_says_nothing_of_it_is_no_mistake(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert project_table(tmp_path)[1] == {}


# Which counts: option, then %config, then the project, then the default.


def test_tail_and_telemetry_of_config_beat_the_projects_where_they_are_the_defaults(
    ip: Any, tmp_path: Path
) -> None:
    project(tmp_path, "telemetry = true\ntail = 40")
    assert (settings(ip).setting("telemetry"), settings(ip).setting("tail")) == (True, 40)
    ip.do("%config EnvdMagic.telemetry = False")
    ip.do("%config EnvdMagic.tail = 12")
    assert (settings(ip).setting("telemetry"), settings(ip).setting("tail")) == (False, 12)


def test_registry_comes_from_option_spec_config_and_project_in_that_order(
    ip: Any, tmp_path: Path
) -> None:
    assert applied(ip).registry is None
    project(tmp_path, 'registry = "project:1"')
    assert applied(ip).registry == "project:1"
    ip.do("%config EnvdMagic.registry = 'config:1'")
    assert applied(ip).registry == "config:1"
    assert applied(ip, registry="spec:1").registry == "spec:1"
    assert applied(ip, "--registry option:1", registry="spec:1").registry == "option:1"


def test_projects_registry_can_be_set_to_none(ip: Any, tmp_path: Path) -> None:
    project(tmp_path, 'registry = "project:1"')
    ip.do("%config EnvdMagic.registry = ''")
    assert applied(ip).registry is None
    assert applied(ip).tag == ImageSpec(name="x").tag


def test_installer_comes_from_option_spec_and_config_in_that_order(ip: Any) -> None:
    assert applied(ip).builder_options is None
    ip.do("%config EnvdMagic.installer = 'pip'")
    assert applied(ip).builder_options == {"installer": "pip"}
    own: dict[str, Any] = {"builder_options": {"installer": "uv"}}
    assert applied(ip, **own).builder_options == {"installer": "uv"}
    assert applied(ip, "--installer pip", **own).builder_options == {"installer": "pip"}


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("--context theirs", "context", "theirs"),
        ("", "context", "mine"),
        ("--push", "push", True),
        ("", "push", False),
    ],
)
def test_option_beats_the_setting(ip: Any, line: str, name: str, value: Any) -> None:
    ip.do("%config EnvdMagic.context = 'mine'")
    ip.do("%config EnvdMagic.push = False")
    assert getattr(options(ip, line), name) == value


def test_log_folder_is_made(ip: Any, tmp_path: Path) -> None:
    ip.do("%config EnvdMagic.log_folder = 'deep/logs'")
    assert options(ip).log_folder.resolve() == tmp_path / "deep" / "logs"
    assert (tmp_path / "deep" / "logs").is_dir()


def test_log_folder_that_cannot_be_made_is_told(ip: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ip.do("%config EnvdMagic.log_folder = 'file/logs'")
    with pytest.raises(UsageError, match="log_folder: file/logs cannot be made"):
        options(ip)


@pytest.mark.parametrize("name", ["history", "recordings"])
def test_keeping_comes_from_config_variable_and_project_in_that_order(
    ip: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    assert getattr(options(ip), name) is True
    project(tmp_path, f"{name} = false")
    assert getattr(options(ip), name) is False
    variable = f"ENVD_MAGIC_{name.upper()}"
    monkeypatch.setenv(variable, "1")
    assert getattr(options(ip), name) is True
    shown = [" ".join(line.split()) for line in ip.do("%envd config").splitlines()]
    assert f"{name} = True {variable}" in shown
    ip.do(f"%config EnvdMagic.{name} = False")
    assert getattr(options(ip), name) is False


def test_a_variable_that_says_neither_is_told(ip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HISTORY", "maybe")
    with pytest.raises(EnvdMagicError, match="ENVD_MAGIC_HISTORY: 'maybe' is neither true"):
        ip.do("%envd config")


def test_telemetry_is_off_unless_somebody_wants_it(ip: Any) -> None:
    assert options(ip).telemetry is False
    ip.do("%config EnvdMagic.telemetry = True")
    assert options(ip).telemetry is True

"""What is known of the install step before anything runs."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from flytekit import ImageSpec

from envd_magic.errors import SpecError
from envd_magic.recipe.compose import Base, compose
from envd_magic.recipe.installer.options import argument_settings, uv_options, without_logins


@pytest.fixture(autouse=True)
def _work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _warnings(**fields: Any) -> tuple[str, ...]:
    return compose(ImageSpec(base_image="debian", **fields)).warnings


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"pip_extra_args": "--use-pep517"}, "pip_extra_args: uv has nothing like pip's --use-pep"),
        ({"pip_extra_args": "--prefer-binary"}, "pip_extra_args: uv has nothing like pip's --pref"),
        ({"env": {"PIP_TARGET": "/x"}}, "env: uv has nothing like pip's --target"),
        ({"requirements": "r.txt"}, "requirements: r.txt, line 2: --prefer-binary"),
    ],
)
def test_reason_for_pip_is_told_before_the_build(fields: dict[str, Any], reason: str) -> None:
    Path("r.txt").write_text("six\n--prefer-binary\n")
    (warning,) = _warnings(packages=["six"], **fields)
    assert warning.startswith(f"pip installs, since {reason}")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"pip_extra_args": "--no-deps --timeout 5 -U --retries=3 --trusted-host h.test"},
        {"env": {"PIP_NO_CACHE_DIR": "1", "PIP_DEFAULT_TIMEOUT": "9", "UV_LINK_MODE": "copy"}},
        {"builder_options": {"installer": "pip"}, "pip_extra_args": "--use-pep517"},
    ],
)
def test_nothing_is_told_where_there_is_nothing_to_tell(fields: dict[str, Any]) -> None:
    assert _warnings(packages=["six"], **fields) == ()


def test_index_of_a_requirements_file_takes_the_place_of_the_specs_as_with_pip() -> None:
    Path("r.txt").write_text("six\n-i https://h.test/simple\n")
    assert _warnings(requirements="r.txt") == ()
    (warning,) = _warnings(requirements="r.txt", pip_extra_index_url=["https://h.test/other"])
    assert "r.txt, line 2: -i" in warning


def test_files_that_are_not_there_are_named_all_at_once() -> None:
    above = ImageSpec(base_image="debian", requirements="above.txt")
    with pytest.raises(SpecError) as caught:
        compose(ImageSpec(base_image=above, requirements="r.txt", copy=["data", "code"]))
    for name in ("requirements", "r.txt", "data", "code", "base_image.requirements", "above.txt"):
        assert name in str(caught.value)


@pytest.mark.parametrize(
    "arguments", ["six", "--no-deps attrs", "-q -U attrs", "-r x", "-rx", "-e ."]
)
def test_arguments_are_options_and_nothing_else(arguments: str) -> None:
    with pytest.raises(SpecError, match="pip_extra_args"):
        _warnings(packages=["six"], pip_extra_args=arguments)


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ("-qq -v --no-deps", [("quiet", "true")] * 2 + [("verbose", "true"), ("no-deps", "true")]),
        ("-Uq --pre", [("upgrade", "true"), ("quiet", "true"), ("pre", "true")]),
        ("-i https://h.test/?a=b", [("index-url", "https://h.test/?a=b")]),
        ("-ihttps://h.test/?a=b", [("index-url", "https://h.test/?a=b")]),
        ("--pypi-url=https://h.test/", [("index-url", "https://h.test/")]),
        ("--use-pep517 --retries 3", [("use-pep517", "true"), ("retries", "3")]),
        ("--no-binary=:all: -f '/a b'", [("no-binary", ":all:"), ("find-links", "/a b")]),
    ],
)
def test_arguments_are_read_as_pip_reads_them(
    arguments: str, settings: list[tuple[str, str]]
) -> None:
    assert argument_settings(shlex.split(arguments)) == settings


@pytest.mark.parametrize(
    ("arguments", "kept", "variables"),
    [
        ("--pre -f https://h.test/", ["--pre", "-f", "https://h.test/"], {}),
        (
            "--pre -f https://a:b@h.test/ -q",
            ["--pre", "-q"],
            {"PIP_FIND_LINKS": "https://a:b@h.test/"},
        ),
        ("-fhttps://a:b@h.test/ -f /x", ["-f", "/x"], {"PIP_FIND_LINKS": "https://a:b@h.test/ /x"}),
        ("--proxy=http://a:b@h.test", [], {"PIP_PROXY": "http://a:b@h.test"}),
        ("x@https://a:b@h.test/x.whl", ["x@https://a:b@h.test/x.whl"], {}),
    ],
)
def test_arguments_with_a_login_become_variables(
    arguments: str, kept: list[str], variables: dict[str, str]
) -> None:
    words = shlex.split(arguments)
    assert without_logins(words, argument_settings(words)) == (kept, variables)


def test_links_with_a_login_are_no_arguments_of_uv() -> None:
    links = ["https://a:b@h.test/", "/x"]
    arguments, variables = uv_options([("find-links", link) for link in links])
    assert (arguments, variables) == ([], {"UV_FIND_LINKS": ",".join(links)})
    assert uv_options([("find-links", "/x")]) == (["--find-links", "/x"], {})


@pytest.mark.parametrize("field", ["pip_index", "pip_extra_args", "pip_extra_index_url"])
def test_what_nothing_would_read_is_told(field: str) -> None:
    value = {"pip_extra_args": "--pre", "pip_extra_index_url": ["https://h.test/"]}
    (warning,) = _warnings(**{field: value.get(field, "https://h.test/")})
    assert warning.startswith(f"{field}: no packages")


@pytest.mark.parametrize(
    ("wanted", "has", "own"),
    [
        ("3.11", "3.11.2", False),
        ("3", "3.11.2", False),
        ("3.11.2", "3.11.2", False),
        ("3.11.3", "3.11.2", True),
        ("3.1", "3.11.2", True),
        ("3.12", "3.11.2", True),
        ("3.11", None, True),
        (None, "3.11.2", False),
    ],
)
def test_python_is_installed_unless_the_base_image_has_it(
    wanted: str | None, has: str | None, own: bool
) -> None:
    spec = ImageSpec(base_image="debian", python_version=wanted)
    text = compose(spec, Base("debian", {}, has)).text
    assert ("install.python(" in text) is own

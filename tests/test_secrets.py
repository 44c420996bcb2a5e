"""What is secret in a spec, and text without it."""

from __future__ import annotations

import base64
import html
import json
import string
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, quote_plus

import pytest
from flytekit import ImageSpec
from hypothesis import given, settings
from hypothesis import strategies as st

from envd_magic.errors import SpecError
from envd_magic.recipe.compose import compose
from envd_magic.recipe.quoting import run_script, shell, starlark, starlark_block
from envd_magic.spec.secrets import MASK, Secrets, has_login, is_secret_name, spec_secrets
from envd_magic.spec.validate import validate
from envd_magic.view.text import recipe_text

if TYPE_CHECKING:
    from collections.abc import Callable

# Whatever is neither in the mask nor in the way of a URL.
_LETTERS = string.ascii_letters + string.digits + " .:/@-_%\"'\\\néあ"


def _masked(text: str, **fields: Any) -> str:
    return spec_secrets(ImageSpec(base_image="debian", **fields)).mask(text)


@pytest.fixture
def mount(tmp_path: Path) -> Path:
    return tmp_path / "secret"


def _mounted(text: str, mount: Path, content: str) -> str:
    mount.write_text(content)
    return _masked(text, packages=["x"], pip_secret_mounts=[(str(mount), "/root/secret")])


@given(
    secrets=st.lists(st.text(_LETTERS, min_size=4, max_size=8), min_size=1, max_size=4),
    around=st.lists(st.text(_LETTERS, max_size=10), min_size=5, max_size=5),
)
def test_no_secret_survives(secrets: list[str], around: list[str]) -> None:
    text = "".join(part for pair in zip(around, [*secrets, ""], strict=False) for part in pair)
    masked = Secrets(secrets).mask(text)
    assert not [secret for secret in secrets if secret in masked]


@given(
    secrets=st.lists(st.text(_LETTERS, max_size=3), max_size=4),
    text=st.text(string.ascii_letters + " \n"),
)
def test_short_value_is_never_masked(secrets: list[str], text: str) -> None:
    assert Secrets(secrets).mask(text) == text


@given(st.text())
def test_text_without_a_url_is_left_alone_where_nothing_is_secret(text: str) -> None:
    text = text.replace("://", "")
    assert Secrets().mask(text) == text


def test_longer_of_two_secrets_is_masked_whole() -> None:
    assert Secrets(["abcd", "abcdefgh"]).mask("abcdefgh") == MASK


def test_two_sets_of_secrets_make_one() -> None:
    assert (Secrets(["abcd"]) | Secrets(["efgh"])).mask("abcd efgh") == f"{MASK} {MASK}"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:hunter22@h.test/simple", "https://user:****@h.test/simple"),
        ("https://hunter22@h.test/simple", "https://****@h.test/simple"),
        ("git+https://hunter22@h.test/r.git", "git+https://****@h.test/r.git"),
        ("postgres://user:hunter22@h.test/db", "postgres://user:****@h.test/db"),
        ("ssh://git@h.test/r.git", "ssh://git@h.test/r.git"),
        ("https://h.test/a@b", "https://h.test/a@b"),
    ],
)
def test_login_of_any_url_is_masked(url: str, shown: str) -> None:
    assert Secrets().mask(f"see {url}, please") == f"see {shown}, please"


def test_password_with_an_at_sign_is_masked_to_its_end() -> None:
    assert "word" not in Secrets().mask("https://user:pass@word@h.test/simple")


_INDEX = "https://user:p%40ssword@h.test/simple"


@pytest.mark.parametrize(
    "fields",
    [
        {"pip_index": _INDEX},
        {"pip_extra_index_url": ["https://h.test", _INDEX]},
        {"pip_extra_args": f"--index-url {_INDEX}"},
        {"pip_extra_args": f"--index-url={_INDEX}"},
        {"packages": [f"x @ {_INDEX}"]},
        {"packages": [f"x@{_INDEX}"]},
        {"packages": [f"git+{_INDEX}"]},
        {"commands": [f"curl {_INDEX}"]},
        {"commands": [f"curl '{_INDEX}'"]},
        {"commands": [f"curl --url={_INDEX}"]},
        {"env": {"INDEX": _INDEX}},
        {"env": {"INDEXES": f"https://h.test {_INDEX}"}},
    ],
    ids="".join,
)
@pytest.mark.parametrize("form", ["p%40ssword", "p@ssword"], ids=["encoded", "plain"])
def test_password_of_a_url_is_masked_wherever_it_stands(fields: dict[str, Any], form: str) -> None:
    assert _masked(f"login with {form}!", **fields) == f"login with {MASK}!"


def test_password_of_a_url_that_is_refused_is_masked_in_the_error() -> None:
    spec = ImageSpec(name="a", packages=["https://user:hunter2@host/a b.whl"])
    with pytest.raises(SpecError) as caught:
        validate(spec)
    assert "https://user:****@host/a b.whl" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_password_of_a_requirements_files_url_is_masked() -> None:
    secrets = spec_secrets(ImageSpec(base_image="debian"), [_INDEX])
    assert secrets.mask("p@ssword p%40ssword") == f"{MASK} {MASK}"


@pytest.mark.parametrize(
    "name",
    ["TOKEN", "GITHUB_TOKEN", "my_secret", "DB_PASSWORD", "PGPASSWD", "AWS_SECRET_ACCESS_KEY"]
    + [
        "API_KEY",
        "APIKEY",
        "OPENAI_API_KEY",
        "GH_PAT",
        "BASIC_AUTH",
        "AUTHORIZATION",
        "DB_PWD",
        "PRIVATE_THING",
    ],
)
def test_name_of_a_secret_is_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "PATH",
        "PYTHONPATH",
        "HOME",
        "TOKEN_FILE",
        "SECRET_PATH",
        "KEYBOARD",
        "PWD_X",
        "PATTERN",
        "GIT_AUTHOR_NAME",
        "XAUTHORITY",
        "SSH_AUTH_SOCK",
        "PWD",
    ],
)
def test_name_of_no_secret_is_known(name: str) -> None:
    assert not is_secret_name(name)


def test_variable_with_a_secrets_name_is_masked() -> None:
    assert _masked("a hunter22 b", env={"MY_TOKEN": "hunter22"}) == "a **** b"


@pytest.mark.parametrize("field", ["builder_options", "builder_config"])
def test_option_with_a_secrets_name_is_masked(field: str) -> None:
    assert _masked("hunter22!", **{field: {"token": "hunter22"}}) == f"{MASK}!"


def test_variable_with_an_innocent_name_is_not_masked() -> None:
    assert _masked("a hunter22 b", env={"COLOR": "hunter22"}) == "a hunter22 b"


def test_secret_of_several_lines_is_masked_line_by_line() -> None:
    key = "-----BEGIN KEY-----\nMIIEabcdef\nghijklmnop\n"
    masked = _masked("#5 0.1 MIIEabcdef\n#5 0.2 ghijklmnop\n", env={"PRIVATE_KEY": key})
    assert masked == "#5 0.1 ****\n#5 0.2 ****\n"


def test_short_value_of_a_secrets_name_is_not_masked() -> None:
    assert _masked("a yes b", env={"USE_TOKEN": "yes"}) == "a yes b"


def test_lines_of_a_secret_file_are_masked(mount: Path) -> None:
    assert _mounted("got ghp_abcdef", mount, "ghp_abcdef\n") == "got ****"


@pytest.mark.parametrize(
    "content",
    [
        "machine h.test login me password hunter22\n",
        "machine h.test\n  login me\n  password hunter22\n",
        "[pypi]\nusername = me\npassword = hunter22\n",
        "password: hunter22\n",
        "TOKEN=hunter22\n",
        "[global]\nindex-url = https://me:hunter22@h.test/simple\n",
        "[global]\nextra-index-url =\n    https://me:hunter22@h.test/simple\n",
        "https://me:hunter22@h.test\n",
        '{"token": "hunter22"}\n',
    ],
)
def test_password_in_a_secret_file_is_masked_by_itself(mount: Path, content: str) -> None:
    assert _mounted("said hunter22!", mount, content) == "said ****!"


@pytest.mark.parametrize("password", ["hun=ter22", "hun:ter22"])
def test_password_with_any_characters_in_a_secret_file_is_masked(
    mount: Path, password: str
) -> None:
    assert "ter22" not in _mounted(f"said {password}!", mount, f"password = {password}\n")


def test_secret_file_that_is_not_there_is_nobodys_secret(mount: Path) -> None:
    spec = ImageSpec(packages=["x"], pip_secret_mounts=[(str(mount), "/root/secret")])
    assert spec_secrets(spec).values == ()


def test_secret_file_that_is_no_text_is_no_error(mount: Path) -> None:
    mount.write_bytes(b"\xff\xfe\x00hunter22\n")
    spec = ImageSpec(packages=["x"], pip_secret_mounts=[(str(mount), "/root/secret")])
    assert isinstance(spec_secrets(spec).mask("x"), str)


def test_secrets_of_a_base_spec_are_masked() -> None:
    base = ImageSpec(base_image="debian", env={"TOKEN": "hunter22"})
    assert spec_secrets(ImageSpec(base_image=base)).mask("hunter22") == MASK


def test_secrets_of_a_spec_that_is_refused_can_be_asked_for() -> None:
    # The spec that failed is shown, masked: that must not fail in turn.
    assert _masked("x", env=["TOKEN=hunter22"]) == "x"


@pytest.mark.parametrize("secret", ["hun'ter22", 'hun"ter22', "hun\\ter22", "h'u\"n\\ter22"])
def test_secret_is_masked_in_a_recipe_however_it_is_quoted_there(secret: str) -> None:
    spec = ImageSpec(base_image="debian", env={"TOKEN": secret}, commands=["true"])
    assert "ter22" not in spec_secrets(spec).mask(recipe_text(compose(spec)))


# The first pattern of a character takes longer than the others.
@settings(deadline=None)
@given(
    secret=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*"), max_size=8),
    first=st.sampled_from([str, quote, quote_plus]),
    then=st.lists(
        st.sampled_from([starlark, starlark_block, run_script, shell, repr, ascii, json.dumps]),
        max_size=3,
    ),
    last=st.sampled_from([str, quote, quote_plus, html.escape]),
)
def test_secret_is_masked_however_often_it_is_quoted(
    secret: str,
    first: Callable[[str], str],
    then: list[Callable[[str], str]],
    last: Callable[[str], str],
) -> None:
    text = f"hunter{secret}77xyz"
    for way in (first, *then, last):
        text = way(text)
    masked = Secrets([f"hunter{secret}77xyz"]).mask(f"before {text} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after")
    assert not [part for part in ("hunter", "77xyz") if part in masked]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("part", ["'", "\\", "'\"\\", "%", "&", "%27", "&amp;", " ", "é", "<'>"])
def test_secret_of_much_that_is_quoted_does_not_stop_the_build(part: str) -> None:
    # A pattern that matches in several ways at each place would take longer than anyone waits.
    secret = f"a1b2{part * 30}c3{part * 30}d4"
    for way in (str, starlark, shell, quote, html.escape):
        text = f"a1b2{way(part) * 500}c3{way(part) * 500}e5\n" * 3
        assert Secrets([secret]).mask(text) == text


@pytest.mark.parametrize(
    ("url", "login"),
    [
        ("https://user:pass@h.test", True),
        ("https://token@h.test", True),
        ("ssh://git:pass@h.test", True),
        ("ssh://git@h.test", False),
        ("https://h.test/@", False),
        ("no url", False),
        ("https://[", False),
    ],
)
def test_login_in_a_url_is_told_from_none(url: str, login: bool) -> None:
    assert has_login(url) is login


@pytest.mark.timeout(60)
def test_long_values_are_read_in_one_go(mount: Path) -> None:
    assert _masked("y", env={"LONG": "y" * 200_000}, commands=["x" * 200_000]) == "y"
    line = "QUJD" * 16_000
    assert "QUJD" not in _mounted(line, mount, line)
    assert spec_secrets(ImageSpec(env={"URL": "1-https://me:hunter22@h.test/"})).values


@pytest.mark.parametrize("around", ["", "a", "me:", "tool:"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_secret_is_masked_whatever_stands_before_it(
    around: str, encode: Callable[[bytes], bytes]
) -> None:
    secret = "p?>~ssword22"  # noqa: S105
    index = f"https://me:{quote(secret, safe='')}@h.test/simple"
    text = f"Authorization: Basic {encode(f'{around}{secret}'.encode()).decode()}"
    for fields in ({"pip_index": index}, {"env": {"TOKEN": secret}}):
        shown = _masked(text, **fields).partition("Basic ")[2]
        assert MASK in shown
        # What is left are characters with bits of what stands around it.
        assert len(shown.replace(MASK, "").strip("=")) <= len(around) * 8 // 6 + 3


@pytest.mark.parametrize(
    "command",
    [
        "API_TOKEN=s3cr3tvalue ./fetch",
        "export API_TOKEN='s3cr3tvalue'; ./fetch",
        "./fetch --api-token s3cr3tvalue",
        './fetch --password="s3cr3tvalue"',
        "curl -H 'Authorization: Bearer s3cr3tvalue' h.test",
        'curl -H "Authorization: token s3cr3tvalue" h.test',
    ],
)
def test_what_a_command_is_given_as_its_secret_is_masked(command: str) -> None:
    assert _masked("it said s3cr3tvalue", commands=[command]) == f"it said {MASK}"
    assert "s3cr3tvalue" not in _masked(command, commands=[command])


@pytest.mark.parametrize(
    "fields",
    [
        {"entrypoint": ["serve", "--password", "s3cr3tvalue"]},
        {"entrypoint": ["serve", "--api-key=s3cr3tvalue"]},
        {"packages": ["x @ https://h.test/x.whl?token=s3cr3tvalue&v=1"]},
        {"pip_extra_args": "--find-links https://h.test/?v=1&api_key=s3cr3tvalue"},
        {"conda_channels": ["https://h.test/t/s3cr3tvalue/channel"]},
        {"conda_channels": ["https://me:s3cr3tvalue@h.test/channel"]},
    ],
    ids="".join,
)
def test_what_an_entrypoint_a_url_or_a_channel_gives_as_its_secret_is_masked(
    fields: dict[str, Any],
) -> None:
    assert _masked("it said s3cr3tvalue", **fields) == f"it said {MASK}"


@pytest.mark.parametrize(
    "command",
    [
        "API_TOKEN=$TOKEN ./fetch",
        "./fetch --auth basic",
        "./fetch --token-file /run/secrets/t0ken1",
        "PASSWORD=secret ./fetch",
        "tokenizers-cli --name value2name",
    ],
)
def test_a_command_without_a_secret_is_shown_as_it_is(command: str) -> None:
    assert _masked(command, commands=[command]) == command

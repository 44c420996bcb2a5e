"""Secret values, and text without them.

One :class:`Secrets` is made from a spec before anything runs; whatever is shown, logged, raised or
kept goes through its :meth:`~Secrets.mask`.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from envd_magic.spec.disguise import core, disguised, encoded
from envd_magic.spec.reading import read_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flytekit import ImageSpec

MASK = "****"
# A shorter value stands in so much text by chance that masking it would garble the log; so does
# shorter base64.
_SHORTEST, _TELLING = 4, 8
_LONGEST_PATTERN = 256
# Of so many values, the shortest, base64 is looked for: passwords, and not the lines of a key.
_MOST_ENCODED = 64
# A mounted file over this size is data, not a credential; its first lines are masked all the same.
_LARGEST_FILE = 64 * 1024
_SECRET_NAME = re.compile(
    # An author and an authority are none, an authorization is.
    r"TOKEN|SECRET|PASSW|PWD$|CREDENTIAL|API_?KEY|PRIVATE|ACCESS_?KEY|AUTH(?!OR(?!IZ))|_KEY$|_PAT$",
    re.IGNORECASE,
)
# What a shell calls the folder that it works in, and worked in before.
_FOLDERS = ("PWD", "OLDPWD")
# The login begins with plain characters, so that it is not tried at every place of a long text.
_URL = re.compile(r"(?<![A-Za-z0-9+.\-])[0-9+.\-]*([A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"]+)")
_NAMED = re.compile(r"(?<![\w.\-])([\w.\-]+)[\"']?\s*[=:]\s*(.+)")
# In a command: `NAME=value`, `--name value`, a header, which may be the value of an option; in a
# URL: `?name=value`.
_GIVEN = re.compile(
    r"(?<![\w.\-$])(?:(\w+)=|--?([A-Za-z][\w\-]*)(?:=|\s+)"
    r"|Authorization:\s*(?:Basic|Bearer|token)\s+)(?=[\"']?([^\s\"'$|&;<>()]+))"
)
_MACHINE_MADE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[^/.~].{7,}|[\w+/=.\-]{20,}")
# https://docs.anaconda.com/anacondaorg/user-guide/work-with-accounts/#accounts-tokens
_CONDA_TOKEN = re.compile(r"/t/([^/\s]+)")
_URL_LOGIN = re.compile(r"://([^\s/'\"]+)@")


def is_secret_name(name: str) -> bool:
    """Does a variable of this name look as if its value were secret?"""
    if name.upper() in _FOLDERS:
        return False
    return bool(_SECRET_NAME.search(name)) and not name.upper().endswith(
        ("_PATH", "_FILE", "_SOCK")
    )


class Secrets:
    """The secret values of one build.

    Parameters
    ----------
    values
        Strings that must not be seen. Very short ones are left out.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        kept = {value for value in values if len(value) >= _SHORTEST}
        # The longest first, so that a value that holds another is masked whole.
        ordered = sorted(kept, key=len, reverse=True)
        self.values = tuple(ordered)
        # Looking for the part that no quoting changes costs next to nothing, and most text is a
        # build's log without it.
        self._cores = [(core(part), part) for value in ordered for part in _pieces(value)]
        for value in ordered[-_MOST_ENCODED:]:
            self._cores += [(core(part), part) for part in encoded(value) if len(part) >= _TELLING]

    def mask(self, text: str) -> str:
        """Text with every secret value, however quoted, and every login in a URL, replaced."""
        for part, value in self._cores:
            if part in text:
                text = disguised(value).sub(MASK, text)
        if "@" in text and "://" in text:
            text = _URL_LOGIN.sub(_mask_login, text)
        return text

    def __or__(self, other: Secrets) -> Secrets:
        return Secrets((*self.values, *other.values))


def _pieces(value: str) -> Iterator[str]:
    """Cut a long value: a pattern costs much for each character, once it is needed."""
    if len(value) > _LONGEST_PATTERN:
        for start in range(0, len(value) - _SHORTEST, _LONGEST_PATTERN):
            yield value[start : start + _LONGEST_PATTERN]
    else:
        yield value


def _mask_login(match: re.Match[str]) -> str:
    user, colon, _ = match[1].partition(":")
    if colon:
        return f"://{user}:{MASK}@"
    # `git@host` over ssh is nobody's secret; a lone name before a web server's is a token.
    web = match.string[max(0, match.start() - 5) : match.start()].endswith(("http", "https"))
    return f"://{MASK}@" if web else match[0]


def spec_secrets(spec: ImageSpec, further: Iterable[str] = ()) -> Secrets:
    """Collect the secrets of a spec, those of its base spec too.

    Parameters
    ----------
    spec
        Read only.
    further
        URLs with credentials found elsewhere (in a requirements file).
    """
    return Secrets(_values(spec, further))


def _values(spec: Any, further: Iterable[str]) -> Iterator[str]:
    # A spec that is refused is shown too: nothing here trusts the types of its fields.
    for url in (*_urls(spec), *further):
        yield from url_secrets(url)
    for value in (spec.env, spec.builder_options, spec.builder_config):
        yield from _named_values(value)
    # An entrypoint is one command, word by word.
    for text in (*_texts(spec), " ".join(_strings(spec.entrypoint))):
        yield from given_secrets(text)
    for channel in _strings(spec.conda_channels):
        yield from _CONDA_TOKEN.findall(channel)
    for pair in spec.pip_secret_mounts if isinstance(spec.pip_secret_mounts, list) else ():
        if isinstance(pair, (list, tuple)) and pair and isinstance(pair[0], str):
            yield from _file_values(Path(pair[0]))
    if hasattr(spec.base_image, "pip_secret_mounts"):
        yield from _values(spec.base_image, ())


def base_secrets(env: Mapping[str, str]) -> Secrets:
    """Collect the secrets among the variables of a base image, which every step exports.

    Those that look made by a machine: a base has ``TOKENIZERS_PARALLELISM=false``, and the like.
    """
    return Secrets(
        value
        for name, value in env.items()
        if is_secret_name(name) and _MACHINE_MADE.fullmatch(value)
    )


def _named_values(value: Any) -> Iterator[str]:
    for name, text in value.items() if isinstance(value, dict) else ():
        if isinstance(text, str):
            if is_secret_name(str(name)):
                yield from _parts(text)
            for url in urls_in(text):
                yield from url_secrets(url)


def _texts(spec: Any) -> Iterator[str]:
    """Give what URLs and commands stand in."""
    fields = (spec.pip_index, spec.pip_extra_args, spec.pip_extra_index_url, spec.conda_channels)
    for value in (*fields, spec.packages, spec.commands):
        yield from _strings(value)


def _urls(spec: Any) -> Iterator[str]:
    for text in _texts(spec):
        yield from urls_in(text)


def _strings(value: Any) -> list[str]:
    """Give the texts of a field, whatever was put into it."""
    found = value if isinstance(value, (list, tuple)) else (value,)
    return [text for text in found if isinstance(text, str)]


def urls_in(text: str) -> list[str]:
    """Find the URLs in a text, whatever stands around them."""
    return _URL.findall(text)


def url_secrets(url: str) -> Iterator[str]:
    """Give the secret parts of a URL, as written and decoded (`git+https://…` too)."""
    try:
        parts = urlsplit(re.sub(r"^\w+\+", "", url))
    except ValueError:
        return
    login, at, _ = parts.netloc.rpartition("@")
    if not at or not (parts.password or parts.scheme in ("http", "https")):
        return
    yield login
    secret = parts.password or login
    yield secret
    yield unquote(secret)


def has_login(url: str) -> bool:
    """Does the URL carry credentials?"""
    return any(True for _ in url_secrets(url))


def _file_values(path: Path) -> Iterator[str]:
    try:
        text = read_file(path, _LARGEST_FILE, cut=True).decode("utf-8", "replace")
    except (OSError, ValueError):
        return
    yield from _parts(text)


def _parts(text: str) -> Iterator[str]:
    """Lines of a secret, since logs come in lines, and the values that stand behind names."""
    for line in text.splitlines():
        stripped = line.strip()
        if not stripped:
            continue
        yield stripped
        for url in urls_in(stripped):
            yield from url_secrets(url)
        yield from named_secrets(stripped)
        for name, word in pairwise(stripped.split()):
            if name.lower() in ("login", "account"):
                yield word.strip("\"',")


def given_secrets(command: str) -> Iterator[str]:
    """Give what a command gives a program as its secret, where it looks made by a machine.

    Plain words are none: options have secret-looking names too (``--auth basic``).
    """
    for variable, option, value in _GIVEN.findall(command):
        name = variable or option.replace("-", "_")
        if (not name or is_secret_name(name)) and _MACHINE_MADE.fullmatch(value):
            yield value


def named_secrets(line: str) -> Iterator[str]:
    """Give the values that stand behind names of secrets: ``password x``, ``"token": "x"``."""
    for name, word in pairwise(line.split()):
        if is_secret_name(name) or name.lower() == "password":
            yield word.strip("\"',")
    # `name = value`, `name: value`, `"name": "value"`
    for name, value in _NAMED.findall(line):
        if is_secret_name(name):
            yield value.strip(" \t\"',{}")

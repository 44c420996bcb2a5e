"""The secret values that are looked for in an image, and where each may be; pure.

What only the installer is given (logins of indexes, mounted files) may be nowhere. The value of a
variable is in the image's variables because that is asked for, and in the words of steps that see
it: everywhere else it is one too many.
"""

from __future__ import annotations

import base64
import dataclasses
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from envd_magic.spec.disguise import core, disguised
from envd_magic.spec.secrets import (
    MASK,
    has_login,
    is_secret_name,
    named_secrets,
    url_secrets,
    urls_in,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.recipe.inputs import Inputs

# What is shorter stands in so much by chance that finding it tells nothing; so do plain words.
_SHORTEST, _TELLING = 6, 16
_SHORTEST_TOKEN = 8
_LONGEST_PATTERN = 256
_LARGEST_FILE = 64 * 1024
_BYTES = 32
_CERTIFICATE = re.compile(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)
_RANDOM = re.compile(r"[A-Za-z0-9+/=_.\-]{16,}")


@dataclass(frozen=True)
class Sought:
    """One secret of a spec.

    Parameters
    ----------
    field
        The ImageSpec field that it is from.
    item
        Which of the field's, in words that do not tell it.
    values
        It, and what it is made of, as text.
    raw
        The same as bytes that no quoting changes.
    variable
        The variable whose value it is, "" if it is none's.
    why
        Why it is not looked for, "" if it is.
    """

    field: str
    item: str
    values: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    raw: tuple[bytes, ...] = dataclasses.field(default=(), repr=False)
    variable: str = ""
    why: str = ""

    def is_in(self, text: str) -> bool:
        """Is it in a text, however quoted?"""
        return any(
            core(value) in text and disguised(value).search(text) for value in self.values
        ) or any(needle.decode("latin-1") in text for needle in self.raw)


def sought(spec: ImageSpec, inputs: Inputs) -> list[Sought]:
    """Give the secrets of a spec, each once."""
    found: dict[tuple[str, str], Sought] = {}
    for one in _all(spec, inputs):
        found.setdefault((one.field, one.item), one)
    return list(found.values())


def _all(spec: ImageSpec, inputs: Inputs) -> Iterator[Sought]:
    texts = [("pip_index", spec.pip_index or ""), ("pip_extra_args", spec.pip_extra_args or "")]
    texts += [("pip_extra_index_url", item) for item in spec.pip_extra_index_url or ()]
    texts += [("packages", item) for item in spec.packages or ()]
    texts += [("commands", item) for item in spec.commands or ()]
    texts += [("requirements", item) for item in inputs.requirements.credentials]
    for name, text in texts:
        yield from _logins(name, text)
    for name, value in (spec.env or {}).items():
        yield from _variable(name, value)
    pairs = zip(spec.pip_secret_mounts or (), inputs.mounted, strict=True)
    for (_, target), content in pairs:
        yield _file(target, content)


def _logins(field: str, text: str, variable: str = "") -> Iterator[Sought]:
    for url in urls_in(text):
        if has_login(url):
            host = urlsplit(re.sub(r"^\w+\+", "", url)).hostname or "?"
            item = f"{variable}: login for {host}" if variable else f"login for {host}"
            login, *secrets = url_secrets(url)
            whole = unquote(login).encode()
            yield _one(field, item, secrets, (*_encoded(whole),), variable)


def _variable(name: str, value: str) -> Iterator[Sought]:
    yield from _logins("env", value, name)
    if not is_secret_name(name) or any(map(has_login, urls_in(value))):
        return
    if value == MASK:
        yield Sought("env", name, variable=name, why="what is kept of the spec has no secrets")
    elif _is_token(value):
        yield _one("env", name, [value], variable=name)
    elif len(value) >= _SHORTEST:
        why = "its value is none that could be told from other text"
        yield Sought("env", name, variable=name, why=why)


def _is_token(value: str) -> bool:
    """Does it look made up by a machine? Settings have secret-looking names too."""
    if len(value) < _SHORTEST_TOKEN or "://" in value or value[0] in "/.~":
        return False
    return not re.search(r"\s", value) and is_telling(value)


def is_telling(value: str) -> bool:
    """Does finding a value somewhere tell that it got there from here?"""
    if re.search(r"\d", value) and re.search(r"[^\W\d_]", value):
        return len(value) >= _SHORTEST
    return len(value) >= _TELLING


def _one(
    field: str, item: str, values: list[str], raw: tuple[bytes, ...] = (), variable: str = ""
) -> Sought:
    kept = [value[:_LONGEST_PATTERN] for value in dict.fromkeys(values) if is_telling(value)]
    if MASK in values:
        why = "what is kept of the spec has no secrets"
        return Sought(field, item, variable=variable, why=why)
    if not kept:
        why = f"it is short, or a plain word: other text has it by chance ({_SHORTEST} characters "
        why += f"with a digit, or {_TELLING}, could be told)"
        return Sought(field, item, variable=variable, why=why)
    needles = dict.fromkeys([*raw, *(one for value in kept for one in _encoded(value.encode()))])
    return Sought(field, item, tuple(kept), tuple(needles), variable)


def _encoded(value: bytes) -> Iterator[bytes]:
    """Give the start of a value's base64 that no byte behind it changes (docker's logins)."""
    whole = len(value) * 8 // 6
    if whole >= _SHORTEST_TOKEN:
        yield base64.b64encode(value)[:whole]
        yield base64.urlsafe_b64encode(value)[:whole]


def _file(target: str, content: bytes) -> Sought:
    """Give what is secret in a mounted file: values behind names, logins, what looks random."""
    name = "pip_secret_mounts"
    try:
        text = content[:_LARGEST_FILE].decode("utf-8")
    except UnicodeDecodeError:
        middle = len(content) // 2
        part = content[middle : middle + _BYTES]
        if len(set(part)) < _SHORTEST_TOKEN:
            return Sought(name, target, why="it is too short, or too plain, to be told")
        return Sought(name, target, raw=(part,))
    text = _CERTIFICATE.sub("", text).strip()
    values: list[str] = []
    for line in map(str.strip, text.splitlines()):
        values += [value for url in urls_in(line) for value in list(url_secrets(url))[1:]]
        values += named_secrets(line)
        values += [line] if _RANDOM.fullmatch(line) and is_telling(line) else []
    if text and not any(map(is_telling, values)):
        values = [text]
    if not text:
        return Sought(name, target, why="there is nothing secret in it")
    return _one(name, target, values)

"""What is handed to others, without secrets and without who and where somebody is."""

from __future__ import annotations

import getpass
import os
import platform
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envd_magic.paths import HOME_VARIABLE
from envd_magic.spec.secrets import Secrets, is_secret_name, url_secrets, urls_in

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Names that many machines have tell of nobody.
_COMMON = {"admin", "jovyan", "localhost", "nobody", "root", "runner", "ubuntu", "user", "vscode"}
_SHORTEST = 3
# Homes of whomever.
_HOMES = re.compile(r"(/home/|/Users/)[^/\s'\":]+")
_SSH = re.compile(r"(ssh://)[^@/\s]+@")


class Anonymous:
    """Takes out of texts what is a secret, or tells of this user and this machine alone.

    Parameters
    ----------
    secrets
        What is known to be secret, beside what the environment names so.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets | Secrets(_secret_values(os.environ))
        # The longest first: one may hold another.
        self._places = sorted(_places().items(), key=lambda pair: -len(pair[0]))
        self._names = [(_word(name), shown) for name, shown in _own_names()]

    def text(self, text: str) -> str:
        """Give a text without them."""
        text = self._secrets.mask(text)
        for place, shown in self._places:
            if place in text:
                text = re.sub(rf"{re.escape(place)}(?![\w.-])", shown, text)
        text = _SSH.sub(r"\1user@", _HOMES.sub(r"\1user", text))
        for name, shown in self._names:
            text = name.sub(shown, text)
        return text

    def value(self, value: Any) -> Any:
        """Give values of JSON without them."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(str(name)): self.value(one) for name, one in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(one) for one in value]
        return value


def _secret_values(variables: Mapping[str, str]) -> Iterator[str]:
    for name, value in variables.items():
        if is_secret_name(name):
            yield from (line.strip() for line in value.splitlines())
        for url in urls_in(value):
            yield from url_secrets(url)


def _places() -> dict[str, str]:
    """Give folders of this machine, with what is written in their place."""
    found = {str(Path.cwd()): ".", str(Path.home()): "~"}
    if own := os.environ.get(HOME_VARIABLE):
        found[own] = f"${HOME_VARIABLE}"
    # A home that every image has as well.
    return {place: shown for place, shown in found.items() if place not in ("/", "/root")}


def _own_names() -> Iterator[tuple[str, str]]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        # Of a number without a name, as in many containers.
        user = ""
    node = platform.node()
    for name, shown in ((user, "user"), (node, "host"), (node.partition(".")[0], "host")):
        if len(name) >= _SHORTEST and name.lower() not in _COMMON:
            yield name, shown


def _word(name: str) -> re.Pattern[str]:
    # A keyword of the same name is no user.
    return re.compile(rf"(?<![\w.-]){re.escape(name)}(?![\w.-]|=)")

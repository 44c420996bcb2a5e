"""pip's options: as its settings and its arguments have them, and in uv's words.

A part of the installer; the package itself asks it what uv can do.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import subprocess
import sys
from typing import Any, Dict, List, Tuple

# Options of pip with their values; a flag has the value "true".
Settings = List[Tuple[str, str]]
Environment = Dict[str, str]
LOGIN = re.compile("://[^/@]*@")
TRUE = ("1", "true", "yes", "on")
SHORT_FLAGS = {"U": "upgrade", "I": "ignore-installed", "q": "quiet", "v": "verbose"}
SHORT = {"i": "index-url", "f": "find-links", "c": "constraint", "t": "target", "r": "requirement"}
SHORT.update({"e": "editable", "C": "config-settings"})
SAME = {"pypi-url": "index-url", "no-dependencies": "no-deps", "default-timeout": "timeout"}
# Settings of pip that change nothing about what is installed.
NEUTRAL_FLAGS = {
    "disable-pip-version-check",
    "no-input",
    "quiet",
    "verbose",
    "no-color",
    "compile",
    "no-cache-dir",
    "no-warn-script-location",
    "no-warn-conflicts",
    "no-python-version-warning",
    "break-system-packages",
}
NEUTRAL = {*NEUTRAL_FLAGS, "progress-bar", "cache-dir", "log", "root-user-action"}
NEUTRAL |= {"exists-action", "default-timeout", "config-file"}
# Settings that uv has under a name of its own, or under the same.
FLAGS = {
    "pre": ["--prerelease", "allow"],
    "force-reinstall": ["--reinstall"],
    "no-index": ["--no-index"],
    "no-deps": ["--no-deps"],
    "no-build-isolation": ["--no-build-isolation"],
    "require-hashes": ["--require-hashes"],
}
VALUES = {
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
    "no-binary": "--no-binary",
    "only-binary": "--only-binary",
    "constraint": "--constraint",
}
VARIABLES = {
    "cert": ["SSL_CERT_FILE"],
    "client-cert": ["SSL_CLIENT_CERT"],
    "timeout": ["UV_HTTP_TIMEOUT"],
    "retries": ["UV_HTTP_RETRIES"],
    "proxy": ["HTTP_PROXY", "HTTPS_PROXY"],
}
# Options of pip that take no value and that uv has nothing like; for the others, a word follows.
PIP_FLAGS = {"user", "no-user", "dry-run", "ignore-installed", "ignore-requires-python"}
PIP_FLAGS |= {"use-pep517", "no-use-pep517", "check-build-dependencies", "no-compile"}
PIP_FLAGS |= {"prefer-binary", "no-clean", "debug", "isolated", "require-virtualenv"}


class NotForUvError(Exception):
    """uv would do something else than pip."""


def has_pip() -> bool:
    """Is there a pip for this Python?"""
    return importlib.util.find_spec("pip") is not None


def pip_settings() -> Settings:
    """Read pip's own settings in this base image, those that count most last."""
    if not has_pip():
        return []
    run = [sys.executable, "-m", "pip", "config", "list"]
    lines = subprocess.run(run, stdout=subprocess.PIPE, check=True).stdout.decode().splitlines()
    found: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in lines:
            name, _, value = line.partition("=")
            if name.startswith(section):
                found[name[len(section) :].replace("_", "-")] = str(ast.literal_eval(value))
    return list(found.items())


def argument_settings(arguments: list[str]) -> Settings:
    """Read arguments of `pip install` in the same form; a word that is no option has no name."""
    words, found = list(arguments), []
    while words:
        word, equals, value = words.pop(0).partition("=")
        if re.match("-[A-Za-z]", word):
            if word[1] in SHORT_FLAGS:
                found.append((SHORT_FLAGS[word[1]], "true"))
                # Flags of one letter may stand together.
                words[:0] = ["-" + word[2:]] if word[2:] else []
                continue
            # The value may stand without a space, with whatever is in it.
            value, equals = (word + equals + value)[2:], word[2:]
            word = "--" + SHORT.get(word[1], word[1])
        name = word[2:] if word.startswith("--") else ""
        name = SAME.get(name, name)
        if name in FLAGS or name in NEUTRAL_FLAGS or name in PIP_FLAGS or name == "upgrade":
            found.append((name, "true"))
        elif not name:
            found.append(("", word + equals + value))
        elif equals:
            found.append((name, value))
        else:
            found.append((name, words.pop(0) if words else ""))
    return found


def without_logins(arguments: list[str], settings: Settings) -> tuple[list[str], Environment]:
    """Give arguments of pip without those that have a login, which go into variables.

    Arguments can be read in the list of processes; a variable stands for all of its settings.
    """
    kept: list[str] = []
    variables: Environment = {}
    for word in arguments:
        found = argument_settings([*kept[-1:], word])[-1:]
        if not LOGIN.search(word) or not found or not found[0][0]:
            kept.append(word)
            continue
        if not word.startswith("-"):
            kept.pop()
        name, value = found[0]
        if name in ("find-links", "extra-index-url"):
            value = " ".join(each for other, each in settings if other == name)
        variables["PIP_" + name.upper().replace("-", "_")] = value
    return kept, variables


def uv_options(settings: Settings) -> tuple[list[str], Environment]:
    """Give pip's settings as uv's arguments and variables, apart from the indexes."""
    arguments: list[str] = []
    variables: Environment = {}
    links: list[str] = []
    for name, value in settings:
        if name in FLAGS:
            arguments += FLAGS[name] if value.lower() in TRUE else []
        elif name in VALUES:
            items = value.replace(",", " ") if name.endswith("binary") else value
            for item in items.split():
                if name == "find-links":
                    links.append(item)
                else:
                    arguments += [VALUES[name], item]
        elif name in VARIABLES:
            variables.update(dict.fromkeys(VARIABLES[name], value))
        elif name not in NEUTRAL and name not in ("index-url", "extra-index-url", "upgrade"):
            raise NotForUvError("uv has nothing like pip's --" + name)
    if any(LOGIN.search(item) for item in links):
        # Arguments can be read in the list of processes.
        variables["UV_FIND_LINKS"] = ",".join(links)
    else:
        arguments += [word for item in links for word in ("--find-links", item)]
    return arguments, variables


def indexes(settings: Settings, asked: dict[str, Any]) -> tuple[str, list[str]]:
    """Give the index ("" for the usual one) and the further ones, put together as pip does."""
    first = [value for name, value in settings if name == "index-url"]
    first += [asked["index"]] if asked.get("index") else []
    further = [value.split() for name, value in settings if name == "extra-index-url"]
    return first[-1] if first else "", [*sum(further, []), *asked.get("extra_index", [])]

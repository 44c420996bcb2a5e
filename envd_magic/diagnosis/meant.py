"""What was probably meant by a value that is refused: other tools' ways to write the same."""

from __future__ import annotations

import re

from envd_magic.spec.requirement import requirement_problem

# https://python-poetry.org/docs/dependency-specification/#caret-requirements
_NAME = r"(?P<name>[A-Za-z0-9][\w.\-]*(?:\[[^\]]*\])?)"
_CARET = re.compile(rf"{_NAME}\s*\^\s*(?P<version>\d+(?:\.\d+)*)")
_TILDE = re.compile(rf"{_NAME}\s*~\s*(?P<version>\d+(?:\.\d+)*)")
# conda's `name=version=build`, a version after a space or an @.
_LOOSE = re.compile(rf"{_NAME}\s*(?:=|@|\s)\s*[vV]?(?P<version>\d[\w.!+*]*)(?:=\w+)?")
_COMMAND = re.compile(
    r"(?:[!%]\s*)?(?:(?:uv|conda|poetry)\s+)?(?:python3?\s+-m\s+)?(?:pip3?\s+)?(?:install|add)\s+"
    r"(?:-\S+\s+)*"
)
_TURNED = {"=>": ">=", "=<": "<=", "=!": "!=", "===": "=="}
_PLATFORMS = {
    "amd64": "linux/amd64",
    "x86_64": "linux/amd64",
    "x64": "linux/amd64",
    "arm64": "linux/arm64",
    "aarch64": "linux/arm64",
}


def requirements_meant(item: str) -> list[str]:
    """Give the requirements that an item was probably meant to be; none where nothing tells.

    Parameters
    ----------
    item
        What is no requirement, as "numpy=1.26", "click, six" or "pip install six".
    """
    text = _COMMAND.sub("", re.sub(r"\s+#.*", "", item.strip()), count=1).strip("\"'`,; ")
    if (one := _meant(text)) is not None:
        return [one] if one != item else []
    # A comma may part versions of one package: only where each part is a requirement is it several.
    parts = [_meant(part.strip("\"'")) for part in re.split(r"[\s,;]+", text) if part]
    return [part for part in parts if part] if len(parts) > 1 and all(parts) else []


def _meant(text: str) -> str | None:
    for way in (_as_it_is, _bounds, _loose):
        made = way(text)
        if made is not None and requirement_problem(made) is None:
            return made
    return None


def _as_it_is(text: str) -> str:
    for wrong, right in _TURNED.items():
        text = re.sub(rf"(?<![=<>!~]){wrong}(?![=<>!~])", right, text)
    # `==8.x`, `>=8.*`: pip knows a star behind == and != alone.
    text = re.sub(r"(?<=\d)\.[xX](?!\w)", ".*", text)
    return re.sub(r"([<>]=?|~=)(\s*[\d.]+?)\.\*", r"\1\2", text)


def _bounds(text: str) -> str | None:
    """Translate poetry's ``^1.2`` and ``~1.2``."""
    if found := _CARET.fullmatch(text):
        parts = [int(part) for part in found["version"].split(".")]
        at = next((n for n, part in enumerate(parts) if part), len(parts) - 1)
    elif found := _TILDE.fullmatch(text):
        parts = [int(part) for part in found["version"].split(".")]
        at = min(1, len(parts) - 1)
    else:
        return None
    end = ".".join(str(part) for part in [*parts[:at], parts[at] + 1])
    return f"{found['name']}>={found['version']},<{end}"


def _loose(text: str) -> str | None:
    found = _LOOSE.fullmatch(text)
    return f"{found['name']}=={found['version']}" if found else None


def platform_meant(value: str) -> str:
    """Give a platform as Docker writes it: ``amd64`` and ``windows/amd64`` are of Linux here."""
    machine = value.strip().lower().rpartition("/")[2]
    return _PLATFORMS.get(machine, value.strip().lower())


def python_meant(value: str) -> str:
    """Give a version of Python: ``>=3.10``, ``python3.10``, ``3,10`` and ``py310`` are 3.10."""
    found = re.search(r"(?<![\d.])3[.,_\s\-]?(\d{1,2})(?!\d)(\.\d+)?", value)
    return f"3.{found[1]}{found[2] or ''}" if found else value


def image_meant(value: str) -> str:
    """Give the name of an image, without what is no part of it."""
    plain = re.sub(r"^(?:https?|docker|oci)://", "", value.strip()).lower()
    # A tag has no colon in it.
    return re.sub(r":([\w.\-]+):([\w.\-]+)$", r":\1-\2", plain) if "/" not in plain else plain


def tag_meant(value: str) -> str:
    """Give a format of a tag without what no tag has, and with the one name that it can have."""
    named = re.sub(r"\{(?!spec_hash\})[^{}]*\}", "{spec_hash}", value)
    return re.sub(r"[^\w.{}\-]+", "-", named, flags=re.ASCII).strip("-.")

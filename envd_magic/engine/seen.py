"""Registries that images went to, or that docker is logged in to: names to offer, no secrets."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from envd_magic.engine.address import docker_folder
from envd_magic.paths import cache_folder, keep

if TYPE_CHECKING:
    from pathlib import Path

_MOST = 50


def seen_registries() -> list[str]:
    """Give the registries that were seen, those that images went to first."""
    return [*dict.fromkeys((*_kept(), *_logged_in()))]


def note_registry(name: str) -> None:
    """Note a registry that an image went to."""
    kept = [name, *(other for other in _kept() if other != name)][:_MOST]
    path = _path()
    keep(path, "".join(f"{line}\n" for line in kept))


def _path() -> Path:
    return cache_folder() / "registries"


def _kept() -> list[str]:
    try:
        return _path().read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def _logged_in() -> list[str]:
    try:
        content = json.loads((docker_folder() / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    names = [*content.get("auths", {}), *content.get("credHelpers", {})]
    return [name.partition("://")[2] or name for name in names if "/v1/" not in name]

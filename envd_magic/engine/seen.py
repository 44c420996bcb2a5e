"""Registries that images went to, or that docker is logged in to: names to offer, no secrets."""

from __future__ import annotations

import json
import os
from pathlib import Path

from envd_magic.paths import cache_folder

_MOST = 50


def seen_registries() -> list[str]:
    """Give the registries that were seen, those that images went to first."""
    return [*dict.fromkeys((*_kept(), *_logged_in()))]


def note_registry(name: str) -> None:
    """Note a registry that an image went to."""
    kept = [name, *(other for other in _kept() if other != name)][:_MOST]
    path = _path()
    new = path.with_suffix(f".{os.getpid()}")
    new.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    new.replace(path)


def _path() -> Path:
    return cache_folder() / "registries"


def _kept() -> list[str]:
    try:
        return _path().read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return []


def _logged_in() -> list[str]:
    folder = os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker"
    try:
        content = json.loads(Path(folder, "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    names = [*content.get("auths", {}), *content.get("credHelpers", {})]
    return [name.partition("://")[2] or name for name in names if "/v1/" not in name]

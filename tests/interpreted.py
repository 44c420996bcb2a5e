"""build.envd as the real envd reads it: the operations that it would ask of the engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envd_magic.engine.configs import ConfigServer
from envd_magic.envd.program import find_envd
from envd_magic.recipe.compose import Base

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.recipe.model import Recipe

# What envd itself puts before a run's commands, and after the last.
_BEFORE = "set -euo pipefail\n"
_PLATFORM = "linux/amd64"


class _AnyTag(ConfigServer):
    """A registry in which an image has every tag: envd makes up those of CUDA."""

    def _answer(self, path: str) -> tuple[bytes, str] | None:
        return super()._answer(re.sub(r"/manifests/(?!sha256:).*", "/manifests/base", path))


_SERVER = _AnyTag()


@dataclass(frozen=True)
class Interpreter:
    """The real envd with a home of its own and no engine.

    Parameters
    ----------
    home
        What it gets as ``$HOME``.
    base
        Name of a base image that is there.
    """

    home: Path
    base: str

    def operations(self, build: Path) -> list[dict[str, Any]]:
        """Give the operations of a folder with a build.envd."""
        done = subprocess.run(
            [str(find_envd().path), "debug", "llb", "--path", str(build)],
            env={**os.environ, "HOME": str(self.home), "ENVD_ANALYTICS": "false"},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()]

    def runs_of(self, recipe: Recipe, folder: Path) -> list[list[str]]:
        """Give the arguments of every program that a recipe would run."""
        return arguments(self.operations(recipe.write(folder).parent))

    def copies_of(self, recipe: Recipe, folder: Path) -> list[tuple[str, str]]:
        """Give source and target of everything that a recipe would copy."""
        return [
            (copy["src"], copy["dest"])
            for operation in self.operations(recipe.write(folder).parent)
            for action in operation["Op"]["Op"].get("file", {}).get("actions", [])
            if (copy := action["Action"].get("copy"))
        ]

    def scripts(self, rules: str, folder: Path) -> list[str]:
        """Give what bash would run for each `run` among rules of build.envd."""
        folder.mkdir(exist_ok=True)
        text = f'# syntax=v1\n\ndef build():\n    base(image="{self.base}", dev=False)\n{rules}'
        (folder / "build.envd").write_text(text, encoding="utf-8")
        return [script_of(words) for words in arguments(self.operations(folder))]

    def known(self) -> Base:
        """Give the base image as a recipe takes it."""
        return Base(self.base)


def arguments(operations: list[dict[str, Any]]) -> list[list[str]]:
    """Give the arguments of the programs among operations."""
    return [
        operation["Op"]["Op"]["exec"]["meta"]["args"]
        for operation in operations
        if "exec" in operation["Op"]["Op"]
    ]


def script_of(words: list[str]) -> str:
    """Give the commands of a `run`, without what envd puts around them."""
    assert words[:2] == ["bash", "-c"]
    assert len(words) == 3
    assert words[2].startswith(_BEFORE)
    return words[2].removeprefix(_BEFORE).removesuffix("\n")


def interpreter(home: Path) -> Interpreter:
    """Set up an interpreter, whose first command takes a second."""
    base = _SERVER.publish({}, _PLATFORM)
    cuda = base.removesuffix(":base")
    folder = home / ".config/containers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "registries.conf").write_text(
        f'[[registry]]\nlocation = "{_SERVER.address}"\ninsecure = true\n'
        f'[[registry]]\nprefix = "docker.io/nvidia/cuda"\nlocation = "{cuda}"\ninsecure = true\n'
    )
    return Interpreter(home, base)

"""Building a recipe in stages, the first of which is kept: dependencies are installed once."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from envd_magic.engine import images
from envd_magic.engine.configs import SERVER
from envd_magic.errors import EngineError
from envd_magic.owner import private_name
from envd_magic.paths import cache_folder
from envd_magic.pipeline.log import BaseStep
from envd_magic.pipeline.notes import remembered
from envd_magic.recipe.stages import stage_key, stages

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from envd_magic.engine.client import Engine
    from envd_magic.engine.images import ImageInfo
    from envd_magic.envd.home import Home
    from envd_magic.pipeline.commands import Commands
    from envd_magic.recipe.model import Recipe

_KEY_BYTES = 32


@dataclass
class Staging:
    """Builds recipes where the builder is the engine itself.

    Parameters
    ----------
    engine
        Where images are.
    commands
        What runs envd.
    home
        envd's.
    write
        Writes a recipe's folder and gives it.
    anew
        True uses nothing of earlier builds.
    private
        The names in the engine that are to go when the build ends; filled here.
    """

    engine: Engine
    commands: Commands
    home: Home
    write: Callable[[Recipe], Path]
    anew: bool = False
    private: list[str] = field(default_factory=list)

    def build(self, recipe: Recipe, base: ImageInfo, platform: str) -> ImageInfo:
        """Build a recipe on a base image, for one platform.

        Raises
        ------
        BuildError
            If a step failed.
        """
        parts = stages(recipe)
        below, above = base, BaseStep(f"base image {recipe.base}", "base_image")
        if parts.dependencies is not None:
            with remembered(self.commands.log, parts.dependencies, base.id):
                below = self._dependencies(parts.dependencies, base, platform, above)
            above = BaseStep("what is installed", "")
        if parts.rest is None:
            return below
        return self._run(parts.rest, replace(below, config=base.config), platform, above)

    def _dependencies(
        self, recipe: Recipe, base: ImageInfo, platform: str, step: BaseStep
    ) -> ImageInfo:
        """Give the image of what is installed, from an earlier build if one has made it."""
        settings = [base.config.get(name) for name in ("User", "WorkingDir", "Entrypoint")]
        key = stage_key(recipe, [platform, *base.layers, *settings], user_key())
        name = f"{images.DEPENDENCIES}:{key}"
        kept = None if self.anew else images.inspect(self.engine, name)
        if kept is None:
            kept = self._run(recipe, base, platform, step)
        else:
            self.commands.log.skipped(step, recipe.rules)
        # Again each time: the names that were given longest ago are the first to go.
        images.tag(self.engine, kept.id, name)
        return kept

    def build_at_once(self, recipe: Recipe, base: ImageInfo, platform: str) -> ImageInfo:
        """Build a recipe for a builder that takes base images from their registries alone.

        Raises
        ------
        BuildError
            If a step failed.
        """
        with remembered(self.commands.log, recipe, base.id):
            return self._envd(recipe, platform)

    def _run(self, recipe: Recipe, below: ImageInfo, platform: str, step: BaseStep) -> ImageInfo:
        """Let envd build a stage on an image of the engine's."""
        unheard = f"/{secrets.token_hex(8)}" if self.anew else ""
        name = SERVER.publish(below.config, platform, private_name(), unheard)
        self.home.trust(SERVER.address)
        self.private.append(name)
        images.tag(self.engine, below.id, name)
        self.commands.log.base_step = step
        return self._envd(replace(recipe, base=name), platform)

    def _envd(self, recipe: Recipe, platform: str) -> ImageInfo:
        built = f"{images.BUILDS}:{private_name()}"
        self.private.append(built)
        self.commands.build(self.write(recipe), ["--tag", built, "--platform", platform])
        found = images.inspect(self.engine, built)
        if found is None:
            raise EngineError(f"envd left no image called {built}")
        return found


def user_key() -> bytes:
    """Give the user's own key for names that are made of secrets; the first use makes it."""
    path = cache_folder() / "key"
    while True:
        try:
            key = path.read_bytes()
        except FileNotFoundError:
            key = b""
        if len(key) == _KEY_BYTES:
            return key
        new = path.with_suffix(f".{private_name()}")
        handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
        new.replace(path)

"""Building a recipe in stages, the first of which is kept: dependencies are installed once."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from envd_magic.engine import images
from envd_magic.engine.configs import SERVER
from envd_magic.errors import EngineError
from envd_magic.owner import private_name
from envd_magic.paths import cache_folder
from envd_magic.pipeline.events import Notice
from envd_magic.pipeline.increments import MOST_INCREMENTS, Installed
from envd_magic.pipeline.log import BaseStep
from envd_magic.pipeline.notes import remembered
from envd_magic.recipe.increment import CleanBuildNeededError, increment
from envd_magic.recipe.stages import stage_key, stages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from envd_magic.engine.client import Engine
    from envd_magic.engine.images import ImageInfo
    from envd_magic.envd.home import Home
    from envd_magic.pipeline.commands import Commands
    from envd_magic.pipeline.increments import InstalledStore
    from envd_magic.recipe.asked import Asked
    from envd_magic.recipe.model import Recipe

_KEY_BYTES = 32
_SETTINGS = ("User", "WorkingDir", "Entrypoint")


@dataclass(frozen=True)
class Wanted:
    """What a spec asks for, beside its recipe.

    Parameters
    ----------
    asked
        All of it, to be compared.
    apt_packages
        The field of that name.
    store
        What the image had installed before.
    """

    asked: Asked
    apt_packages: Sequence[str]
    store: InstalledStore


@dataclass(frozen=True)
class _Start:
    """What a stage starts from: an image, and how its step is told.

    `settings` are those that steps see, always the base image's: what envd has written into the
    image of a stage is none of the next one's.
    """

    image: ImageInfo
    platform: str
    step: BaseStep
    settings: Mapping[str, Any]

    def kept_name(self, recipe: Recipe) -> str:
        """Give the name of what a stage makes of it."""
        settings = [self.settings.get(name) for name in _SETTINGS]
        known = [self.platform, *self.image.layers, *settings]
        return f"{images.DEPENDENCIES}:{stage_key(recipe, known, user_key())}"


@dataclass(frozen=True)
class Built:
    """What came of a build in stages.

    Parameters
    ----------
    image
        Not finished yet.
    chain
        "+" and what was added to; "" for a clean build.
    """

    image: ImageInfo
    chain: str = ""


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
    incremental
        True adds to what an earlier build has installed, where that can be done.
    private
        The names in the engine that are to go when the build ends; filled here.
    """

    engine: Engine
    commands: Commands
    home: Home
    write: Callable[[Recipe], Path]
    anew: bool = False
    incremental: bool = False
    private: list[str] = field(default_factory=list)

    def build(self, recipe: Recipe, base: ImageInfo, platform: str, wanted: Wanted) -> Built:
        """Build a recipe on a base image, for one platform.

        Raises
        ------
        BuildError
            If a step failed.
        """
        parts = stages(recipe)
        below, above = base, BaseStep(f"base image {recipe.base}", "base_image")
        installed = Installed(wanted.asked)
        if parts.dependencies is not None:
            start = _Start(base, platform, above, base.config)
            with remembered(self.commands.log, parts.dependencies, base.id):
                below, installed = self._dependencies(parts.dependencies, start, wanted)
            above = BaseStep("what is installed", "")
        if parts.rest is not None:
            below = self._run(parts.rest, _Start(below, platform, above, base.config))
        wanted.store.write(installed)
        chain = installed.kept.rpartition(":")[2] if installed.increments else ""
        return Built(below, f"+{chain}" if chain else "")

    def _dependencies(
        self, recipe: Recipe, start: _Start, wanted: Wanted
    ) -> tuple[ImageInfo, Installed]:
        """Give the image of what is installed, from an earlier build if one has made it."""
        name = start.kept_name(recipe)
        if self.incremental and not self.anew and images.inspect(self.engine, name) is None:
            try:
                return self._added(recipe, start, wanted)
            except CleanBuildNeededError as why:
                self.commands.log.emit(Notice(f"incremental: all is installed anew, since {why}"))
        return self._kept(recipe, start), Installed(wanted.asked, name)

    def _added(self, recipe: Recipe, start: _Start, wanted: Wanted) -> tuple[ImageInfo, Installed]:
        """Add what is new to what was installed last."""
        last = wanted.store.read()
        there = images.inspect(self.engine, last.kept) if last is not None and last.kept else None
        if last is None or there is None:
            raise CleanBuildNeededError("nothing that this image has installed is kept here")
        if last.increments >= MOST_INCREMENTS:
            raise CleanBuildNeededError(f"it was added to {last.increments} times")
        new, changes = increment(recipe, last.asked, wanted.asked, wanted.apt_packages)
        if new is None:
            self.commands.log.skipped(start.step, recipe.rules)
            return there, Installed(wanted.asked, last.kept, last.increments)
        told = "; ".join(map(str, changes))
        self.commands.log.emit(
            Notice(
                f"incremental: {told}; what was installed stays, in the versions of then. Build "
                "without it for a release"
            )
        )
        above = replace(start, image=there, step=BaseStep("what was installed", ""))
        made = self._kept(new, above)
        return made, Installed(wanted.asked, above.kept_name(new), last.increments + 1)

    def _kept(self, recipe: Recipe, start: _Start) -> ImageInfo:
        """Give what a stage makes, and keep it."""
        name = start.kept_name(recipe)
        kept = None if self.anew else images.inspect(self.engine, name)
        if kept is None:
            kept = self._run(recipe, start)
        else:
            self.commands.log.skipped(start.step, recipe.rules)
        # Again each time: the names that were given longest ago are the first to go.
        images.tag(self.engine, kept.id, name)
        return kept

    def build_at_once(self, recipe: Recipe, base: ImageInfo, platform: str) -> Built:
        """Build a recipe for a builder that takes base images from their registries alone.

        Raises
        ------
        BuildError
            If a step failed.
        """
        with remembered(self.commands.log, recipe, base.id):
            return Built(self._envd(recipe, platform))

    def _run(self, recipe: Recipe, start: _Start) -> ImageInfo:
        """Let envd build a stage on an image of the engine's."""
        unheard = f"/{secrets.token_hex(8)}" if self.anew else ""
        name = SERVER.publish(start.settings, start.platform, private_name(), unheard)
        self.home.trust(SERVER.address)
        self.private.append(name)
        images.tag(self.engine, start.image.id, name)
        self.commands.log.base_step = start.step
        return self._envd(replace(recipe, base=name), start.platform)

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

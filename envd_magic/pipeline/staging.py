"""Building a recipe in stages, the first of which is kept: dependencies are installed once."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from envd_magic.engine import images
from envd_magic.engine.configs import SERVER
from envd_magic.errors import EngineError, EnvdMagicError
from envd_magic.owner import private_name
from envd_magic.pipeline.apt import asked_again, one_apt
from envd_magic.pipeline.bases import BASES
from envd_magic.pipeline.dependencies import Start, choose, user_key
from envd_magic.pipeline.events import Notice
from envd_magic.pipeline.increments import Installed
from envd_magic.pipeline.notes import remembered
from envd_magic.recipe.describe import BaseStep, base_step
from envd_magic.recipe.stages import rule_keys, stages
from envd_magic.records.steps import Seen, StepMemory

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from envd_magic.engine.client import Engine
    from envd_magic.engine.images import ImageInfo
    from envd_magic.envd.home import Home
    from envd_magic.pipeline.commands import Commands
    from envd_magic.pipeline.dependencies import Choice, Wanted
    from envd_magic.pipeline.shared import SharedCache
    from envd_magic.recipe.model import Recipe


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
    private
        The names in the engine that are to go when the build ends; filled here.
    shared
        Where a team keeps what is installed.
    more
        Further options for envd, where it builds all at once.
    """

    engine: Engine
    commands: Commands
    home: Home
    write: Callable[[Recipe], Path]
    anew: bool = False
    private: list[str] = field(default_factory=list)
    shared: SharedCache | None = None
    more: Sequence[str] = ()

    def build(self, recipe: Recipe, base: ImageInfo, platform: str, wanted: Wanted) -> Built:
        """Build a recipe on a base image, for one platform.

        Raises
        ------
        BuildError
            If a step failed.
        """
        parts = stages(recipe)
        start = Start(base, platform, base_step(recipe), base.config)
        installed = Installed(wanted.asked)
        if parts.dependencies is not None:
            if self.shared is not None and not self.anew:
                self.shared.fetch(parts.dependencies, start)
            choice = self._choose(parts.dependencies, start, wanted)
            with remembered(self.commands.log, parts.dependencies, base.id):
                below = self._dependencies(choice)
            start = replace(start, image=below, step=INSTALLED_STEP)
            installed = choice.installed
        image = start.image if parts.rest is None else self._run(parts.rest, start)
        wanted.store.write(installed)
        chain = installed.kept.rpartition(":")[2] if installed.increments else ""
        return Built(image, f"+{chain}" if chain else "")

    def _choose(self, recipe: Recipe, start: Start, wanted: Wanted) -> Choice:
        """Choose, and hold what an earlier build has made: another one may sweep its name away."""
        while True:
            choice = choose(self.engine, recipe, start, wanted)
            found = choice.there or choice.start.image
            if found is start.image:
                return choice
            name = f"{images.BUILDS}:{private_name()}"
            self.private.append(name)
            if images.hold(self.engine, found.id, name):
                return choice

    def _dependencies(self, choice: Choice) -> ImageInfo:
        """Give the image of what is installed, and keep it."""
        if choice.told:
            self.commands.log.emit(Notice(choice.told))
        if choice.there is not None:
            made = choice.there
            self.commands.log.skipped(choice.start.step, choice.recipe.rules)
        else:
            made = self._run(choice.recipe, choice.start)
        # Again each time: the names that were given longest ago are the first to go.
        images.tag(self.engine, made.id, choice.installed.kept)
        # What was added to is nobody else's.
        if self.shared is not None and not choice.installed.increments:
            self.shared.offer(choice.recipe, choice.start, made, anew=self.anew)
        return made

    def build_at_once(self, recipe: Recipe, base: ImageInfo, platform: str) -> Built:
        """Build a recipe for a builder that takes base images from their registries alone.

        Raises
        ------
        BuildError
            If a step failed.
        """
        with remembered(self.commands.log, recipe, base.id):
            return Built(self._envd(recipe, platform, self.more))

    def _run(self, recipe: Recipe, start: Start) -> ImageInfo:
        """Let envd build a stage on an image of the engine's."""
        unheard = f"/{secrets.token_hex(8)}" if self.anew else ""
        name = BASES.take(self.engine, start, self.private, unheard)
        self.home.trust(SERVER.address)
        log = self.commands.log
        log.base_step, log.recipe = start.step, recipe
        keys = rule_keys(recipe, start.known, user_key())
        memory = StepMemory(self.engine.identity, images.repository(recipe.image))
        try:
            with one_apt(self.engine, recipe, log):
                return self._envd(replace(recipe, base=name), start.platform)
        finally:
            self._remember(memory, recipe, keys)

    def _remember(self, memory: StepMemory, recipe: Recipe, keys: list[str]) -> None:
        """Note what the steps took and that the engine has them, for plans of later builds."""
        seen = [
            # Steps that were made new to the cache are not found there under their own key.
            Seen(
                secrets.token_hex(16) if self.anew else keys[place],
                recipe.rules[place].kind,
                None if step.status == "cached" else step.seconds,
            )
            for place, step in self.commands.log.ended(recipe).items()
            if step.status in ("done", "cached")
        ]
        try:
            memory.note(seen)
        except EnvdMagicError as error:
            self.commands.log.line(f"What the steps took is not remembered: {error}")

    def _envd(self, recipe: Recipe, platform: str, more: Sequence[str] = ()) -> ImageInfo:
        built = f"{images.BUILDS}:{private_name()}"
        self.private.append(built)
        folder, words = self.write(recipe), ["--tag", built, "--platform", platform, *more]
        asked_again(lambda: self.commands.build(folder, words), self.commands.log)
        found = images.inspect(self.engine, built)
        if found is None:
            raise EngineError(f"envd left no image called {built}")
        return found


#: The step of an image that a first stage has made.
INSTALLED_STEP = BaseStep("what is installed", "")

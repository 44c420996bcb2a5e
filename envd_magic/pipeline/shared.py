"""What is installed, shared through a registry: a second machine starts warm.

``moby-worker`` can export no layer cache, so a repository holds what the first stage of builds has
made, each under a name that tells what was installed on what. Nothing secret is in a name, so
that all who ask for the same find it; and what needed credentials is not shared at all.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from envd_magic.engine import images
from envd_magic.errors import EngineError, EnvdMagicError
from envd_magic.pipeline.events import Notice
from envd_magic.pipeline.options import SHARED_VARIABLE
from envd_magic.recipe.model import SECRETS
from envd_magic.recipe.stages import stage_key

if TYPE_CHECKING:
    from envd_magic.engine.client import Engine
    from envd_magic.engine.images import ImageInfo
    from envd_magic.envd.home import Home
    from envd_magic.pipeline.dependencies import Start
    from envd_magic.pipeline.log import BuildLog
    from envd_magic.pipeline.options import Options
    from envd_magic.recipe.model import Recipe

# Everybody's, so that names agree: they tell nothing that the images themselves do not.
_KEY = b"envd_magic shared cache"
_REPOSITORY = re.compile(r"[a-z0-9.\-]+(:\d+)?(/[a-z0-9]+([._\-]+[a-z0-9]+)*)+")


def shared_repository(options: Options) -> str:
    """Give the repository that a build shares, "" if none.

    Raises
    ------
    EnvdMagicError
        If it is none.
    """
    found = options.shared_cache
    name = "shared_cache"
    if found is None:
        found, name = os.environ.get(SHARED_VARIABLE, "").strip(), SHARED_VARIABLE
    if found and not _REPOSITORY.fullmatch(found):
        raise EnvdMagicError(
            f"{name}: {found!r} is no repository; expected registry/name, as "
            "localhost:5000/team/cache, without a tag"
        )
    # As engines write it.
    return found.removeprefix("docker.io/")


@dataclass
class SharedCache:
    """A repository for what is installed. What goes wrong with it is told, and stops nothing.

    Parameters
    ----------
    engine
        Pulls and pushes.
    repository
        Its name, with its registry.
    log
        Is told.
    """

    engine: Engine
    repository: str
    log: BuildLog
    _off: bool = False

    def fetch(self, recipe: Recipe, start: Start) -> None:
        """Let the engine have what a stage makes, if it lacks it and the repository has it."""
        if not self._may_share(recipe):
            return
        kept, name = start.kept_name(recipe), self._name(recipe, start)
        if images.inspect(self.engine, kept) is not None:
            return
        try:
            if images.registry_digest(self.engine, name) is None:
                self.log.line(f"{name} is not there yet")
                return
            self.log.line(f"Pulling {name}")
            images.pull(self.engine, name, start.platform, self.log.line)
            found = images.inspect(self.engine, name)
            if found is None or not _stands_on(found, start):
                images.untag(self.engine, [name])
                raise EngineError(f"{name} is not what its name says")
        except EngineError as error:
            self._fail(error)
            return
        images.tag(self.engine, found.id, kept)
        self.log.line(f"What is installed comes from {self.repository}")

    def offer(self, recipe: Recipe, start: Start, made: ImageInfo, *, anew: bool) -> None:
        """Let the repository have what a stage has made, unless that came from there.

        What it has already is named again by a push, which sends no layer twice.

        Parameters
        ----------
        recipe, start
            The stage.
        made
            What came of it.
        anew
            True if it is to take the place of what is there.
        """
        known = any(digest.startswith(f"{self.repository}@") for digest in made.digests)
        if self._off or known or not self._may_share(recipe, told=False):
            return
        name = self._name(recipe, start)
        try:
            # A registry that does not answer says so at once; a push is tried again and again.
            there = images.registry_digest(self.engine, name)
            if there is None or anew:
                self.log.line(f"Pushing {name}")
            images.tag(self.engine, made.id, name)
            images.push(self.engine, name, self.log.line)
        except EngineError as error:
            self._fail(error)

    def _name(self, recipe: Recipe, start: Start) -> str:
        return f"{self.repository}:{images.SHARED}{stage_key(recipe, start.known, _KEY)}"

    def _may_share(self, recipe: Recipe, *, told: bool = True) -> bool:
        mask = self.log.secrets.mask
        secret = any(name.startswith(f"{SECRETS}/") for name in recipe.files) or any(
            mask(rule.text) != rule.text for rule in recipe.rules
        )
        if secret and told:
            self.log.emit(
                Notice("shared_cache: what needs credentials to install stays on this engine alone")
            )
        return not secret and not self._off

    def _fail(self, error: EngineError) -> None:
        self._off = True
        self.log.emit(Notice(f"shared_cache is not used: {error}"))


def shared_cache(options: Options, home: Home, engine: Engine, log: BuildLog) -> SharedCache | None:
    """Give the cache that a build shares, None if it has none."""
    repository = shared_repository(options)
    return SharedCache(engine, repository, log) if repository and home.in_engine else None


def _stands_on(found: ImageInfo, start: Start) -> bool:
    """Is an image one of a stage on this base image?"""
    base = start.image.layers
    return (
        images.same_platform(found.platform, start.platform) and found.layers[: len(base)] == base
    )

"""How a build comes by what its image depends on: kept from before, added to, or installed."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from envd_magic.engine import images
from envd_magic.owner import private_name
from envd_magic.paths import cache_folder, unusable
from envd_magic.pipeline.increments import MOST_INCREMENTS, Installed, InstalledStore
from envd_magic.recipe.asked import asked
from envd_magic.recipe.describe import BaseStep
from envd_magic.recipe.increment import CleanBuildNeededError, increment
from envd_magic.recipe.stages import stage_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from envd_magic.engine.client import Engine
    from envd_magic.engine.images import ImageInfo
    from envd_magic.pipeline.options import Options
    from envd_magic.pipeline.prepared import Prepared
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
    anew
        True takes nothing that an earlier build has made.
    incremental
        True adds to what was installed last, where that can be done.
    """

    asked: Asked
    apt_packages: Sequence[str]
    store: InstalledStore
    anew: bool = False
    incremental: bool = False


def wanted_of(prepared: Prepared, base: ImageInfo, platform: str, options: Options) -> Wanted:
    """Note what a prepared spec asks for, on a base image.

    The id of a base spec is left out: it changes with every edit.
    """
    env = [pair for pair in base.env.items() if pair[0] != "_F_IMG_ID"]
    return Wanted(
        asked(prepared.spec, prepared.inputs, [*base.layers, env], user_key()),
        prepared.spec.apt_packages or [],
        InstalledStore(prepared.recipe.image, platform),
        anew=options.no_cache,
        incremental=options.incremental,
    )


@dataclass(frozen=True)
class Start:
    """What a stage starts from.

    Parameters
    ----------
    image
        In the engine.
    platform
        As "linux/amd64".
    step
        How its step is told.
    settings
        Those that steps see, always the base image's: what envd has written into the image of a
        stage is none of the next one's.
    """

    image: ImageInfo
    platform: str
    step: BaseStep
    settings: Mapping[str, Any]

    @property
    def known(self) -> list[object]:
        """What tells it from others."""
        settings = [self.settings.get(name) for name in _SETTINGS]
        return [self.platform, *self.image.layers, *settings]

    def kept_name(self, recipe: Recipe) -> str:
        """Give the name of what a stage makes of it."""
        return f"{images.DEPENDENCIES}:{stage_key(recipe, self.known, user_key())}"


@dataclass(frozen=True)
class Choice:
    """How the dependencies are come by.

    Parameters
    ----------
    recipe
        What is built, or was.
    start
        On what.
    installed
        What is to be remembered of it.
    there
        What an earlier build has made of it; None if it has to be built.
    told
        What the user should know, "" if nothing.
    """

    recipe: Recipe
    start: Start
    installed: Installed
    there: ImageInfo | None = None
    told: str = ""


def choose(engine: Engine, recipe: Recipe, start: Start, wanted: Wanted) -> Choice:
    """Choose how the dependencies are come by; nothing is done.

    Parameters
    ----------
    engine
        Where images are kept.
    recipe
        The stage that installs all.
    start
        The base image.
    wanted
        What the spec asks for.

    Raises
    ------
    EngineError
        If the engine does not answer.
    """
    name = start.kept_name(recipe)
    there = None if wanted.anew else images.inspect(engine, name)
    choice = Choice(recipe, start, Installed(wanted.asked, name), there)
    if there is not None or wanted.anew or not wanted.incremental:
        return choice
    try:
        return _added(engine, choice, wanted)
    except CleanBuildNeededError as why:
        return replace(choice, told=f"incremental: all is installed anew, since {why}")


def _added(engine: Engine, clean: Choice, wanted: Wanted) -> Choice:
    """Add what is new to what was installed last."""
    last = wanted.store.read()
    before = images.inspect(engine, last.kept) if last is not None and last.kept else None
    if last is None or before is None:
        raise CleanBuildNeededError("nothing that this image has installed is kept here")
    if last.increments >= MOST_INCREMENTS:
        raise CleanBuildNeededError(f"it was added to {last.increments} times")
    new, changes = increment(clean.recipe, last.asked, wanted.asked, wanted.apt_packages)
    if new is None:
        return replace(clean, there=before, installed=replace(last, asked=wanted.asked))
    start = replace(clean.start, image=before, step=BaseStep("what was installed", ""))
    name = start.kept_name(new)
    told = "; ".join(map(str, changes))
    return Choice(
        new,
        start,
        Installed(wanted.asked, name, last.increments + 1),
        images.inspect(engine, name),
        f"incremental: {told}; what was installed stays, in the versions of then. Build without it "
        "for a release",
    )


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
        try:
            handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
            new.replace(path)
        except OSError as error:
            raise unusable(path, error) from error

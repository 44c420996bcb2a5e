"""Layer caches in a registry: what envd is told of them, and which builders have none to give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.errors import ContextError
from envd_magic.pipeline.events import Notice
from envd_magic.pipeline.shared import shared_repository
from envd_magic.recipe.model import SECRETS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from envd_magic.envd.home import Home
    from envd_magic.pipeline.log import BuildLog
    from envd_magic.pipeline.options import Options
    from envd_magic.recipe.model import Recipe

_TAG = "buildcache"


def check_caches(options: Options, home: Home, log: BuildLog) -> None:
    """Refuse caches that the builder cannot have, and tell of one that it does not use.

    Raises
    ------
    ContextError
        If it is the engine's own, whose BuildKit exports none.
    EnvdMagicError
        If the shared repository is none.
    """
    if shared_repository(options) and not home.in_engine:
        how = "cache_from and cache_to share its layers"
        log.emit(Notice(f"shared_cache: the builder {home.builder} has none; {how}"))
    given = [name for name in ("cache_from", "cache_to") if getattr(options, name)]
    if given and home.in_engine:
        raise ContextError(
            f"{' and '.join(given)}: the builder {home.builder} of the context {home.context} "
            "shares no layer cache. shared_cache shares what is installed there "
            "(--shared-cache REPOSITORY); or build in a context with another builder (--context)"
        )


def cache_words(options: Options, recipe: Recipe, platform: str, log: BuildLog) -> list[str]:
    """Give envd's options for the caches of a build.

    Parameters
    ----------
    options
        Their ``cache_from`` and ``cache_to`` name an image, or are in envd's own form
        (``type=registry,ref=…``).
    recipe
        What is built.
    platform
        The one that is built for; each has a cache of its own.
    log
        Is told of what is not exported.
    """
    several = platform if len(recipe.platforms) > 1 else ""
    words: list[str] = []
    if options.cache_from:
        words += ["--import-cache", ",".join(_attributes(options.cache_from, several))]
    if options.cache_to and any(name.startswith(f"{SECRETS}/") for name in recipe.files):
        log.emit(Notice("cache_to: not exported, since credentials are mounted in this build"))
    elif options.cache_to:
        # All steps, not the last one's layers alone.
        given = [*_attributes(options.cache_to, several)]
        most = [] if "mode=" in ",".join(given) else ["mode=max"]
        words += ["--export-cache", ",".join([*given, *most])]
    return words


def _attributes(given: str, platform: str) -> Iterator[str]:
    if "type=" in given:
        yield given
        return
    head, colon, tag = given.rpartition(":")
    has_tag = bool(colon) and "/" not in tag
    name, tag = (head, tag) if has_tag else (given, _TAG)
    yield "type=registry"
    yield f"ref={name}:{tag}{'-' if platform else ''}{platform.replace('/', '-')}"

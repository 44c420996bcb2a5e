"""What other programs call: building, verifying, previewing, and the last result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.folders import write_recipe
from envd_magic.pipeline.last import last_result, own_result
from envd_magic.pipeline.options import Options
from envd_magic.recipe.compose import compose
from envd_magic.spec.cell import with_options

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flytekit import ImageSpec

    from envd_magic.forecast.result import Plan
    from envd_magic.pipeline.events import Listener
    from envd_magic.pipeline.result import BuildResult
    from envd_magic.recipe.model import Recipe
    from envd_magic.verification.result import Verification

__all__ = ["build", "create_envd_config", "last_result", "plan", "preview", "verify"]


def build(  # noqa: PLR0913 - all but the spec by name
    spec: ImageSpec,
    *,
    context: str | None = None,
    push: bool | None = None,
    force: bool | None = None,
    no_cache: bool = False,
    incremental: bool = False,
    shared_cache: str | None = None,
    cache_from: str | None = None,
    cache_to: str | None = None,
    verify: bool = False,
    listener: Listener | None = None,
    history: bool | None = None,
    recordings: bool | None = None,
) -> BuildResult:
    """Build the image of a spec.

    Parameters
    ----------
    spec
        Files that it names are read anew, so that an edited requirements file gives a new tag.
    context
        Name of an envd context; None takes ``FLYTE_ENVD_CONTEXT``, then what the registry asks
        for, then the user's current context.
    push
        None pushes iff the spec has a registry and ``FLYTE_PUSH_IMAGE_SPEC`` lets it.
    force
        True builds even if the image is there; None asks the spec (``force_push()``).
    no_cache
        True runs every step, whatever earlier builds have left.
    incremental
        True adds what is new to what the image's last build installed, where only lists have grown
        or versions changed. What was there stays, so a clean build may choose other versions.
    shared_cache
        Repository in which a team keeps what its images install, as
        "localhost:5000/team/cache"; None asks ``ENVD_MAGIC_SHARED_CACHE``.
    cache_from, cache_to
        Image in a registry that the builder's layer cache is taken from, or put to, for builders
        other than ``moby-worker``.
    verify
        True compares what was built with what the spec asks for, before it gets its name.
    listener
        Is told every event as it comes.
    history
        Is the build remembered? None asks ``ENVD_MAGIC_HISTORY``, and remembers it else.
    recordings
        Is the build recorded? None asks ``ENVD_MAGIC_RECORDINGS``, and records it else.

    Returns
    -------
    BuildResult
        With the image's name and digest, and the steps.

    Raises
    ------
    EnvdMagicError
        If it cannot be built; the spec has then been printed, secrets masked.
    """
    forced = bool(spec._is_force_push) if force is None else force  # noqa: SLF001
    options = Options(
        context=context,
        push=push,
        force=forced,
        no_cache=no_cache,
        incremental=incremental,
        shared_cache=shared_cache,
        cache_from=cache_from,
        cache_to=cache_to,
        verify=verify,
        listener=listener,
        history=history,
        recordings=recordings,
    )
    try:
        return build_spec(refreshed(spec), options)
    except Exception as error:
        from envd_magic.view.failures import print_failure

        print_failure(error, spec, own_result())
        raise


def refreshed(spec: ImageSpec) -> ImageSpec:
    """Let a spec look at its files again: flytekit keeps a tag once it was asked for."""
    one: Any = spec
    while hasattr(one, "base_image"):
        one.__dict__.pop("tag", None)
        one = one.base_image
    return spec


def preview(spec: ImageSpec) -> Recipe:
    """Show what envd would be told; nothing is run or written.

    Raises
    ------
    SpecError
        If the spec cannot be honoured.
    """
    return compose(with_options(spec, {}))


def plan(  # noqa: PLR0913 - all but the spec by name
    spec: ImageSpec,
    *,
    context: str | None = None,
    push: bool | None = None,
    force: bool | None = None,
    no_cache: bool = False,
    incremental: bool = False,
) -> Plan:
    """Tell what :func:`build` will do with the same arguments; nothing is built or pulled.

    Returns
    -------
    Plan
        With the steps, each cached or not and why, and what changed since the last build.

    Raises
    ------
    EnvdMagicError
        If the spec cannot be honoured, or envd is not there.
    """
    from envd_magic.forecast.plan import make_plan

    forced = bool(spec._is_force_push) if force is None else force  # noqa: SLF001
    options = Options(
        context=context, push=push, force=forced, no_cache=no_cache, incremental=incremental
    )
    return make_plan(refreshed(spec), options)


def verify(
    spec: ImageSpec,
    image: str | None = None,
    *,
    modules: Iterable[str] = (),
    context: str | None = None,
) -> Verification:
    """Compare what a spec asks for with what its image has.

    Parameters
    ----------
    spec
        Not changed; files that it names are read anew.
    image
        Name or ID of an image to look at in place of the spec's.
    modules
        Modules that are to be imported as well as those of the spec's packages.
    context
        Name of an envd context, as for :func:`build`: it says which engine is looked at.

    Returns
    -------
    Verification
        With an item for each thing that was asked for; none of them differs.

    Raises
    ------
    VerifyError
        If something differs; its ``verification`` has all items.
    SpecError
        If the spec cannot be honoured.
    ContextError
        If there is no such context.
    EngineError
        If the engine cannot be asked.
    """
    from envd_magic.pipeline.verifying import required, verify_spec

    return required(verify_spec(refreshed(spec), image, modules, context=context))


def create_envd_config(spec: ImageSpec) -> str:
    """Write the build folder and give the path of its build.envd.

    The folder is for ``envd build`` by hand: envd is told to set what it can set itself, since
    no engine finishes the image. It is the caller's to remove.

    Raises
    ------
    SpecError
        If the spec cannot be honoured.
    """
    return str(write_recipe(compose(spec, finished=False)))

"""Verifying: after a build, and by itself."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from envd_magic.engine.client import Engine
from envd_magic.envd.home import named_engine
from envd_magic.errors import BuildInterrupted, VerifyError
from envd_magic.pipeline.options import wants_push
from envd_magic.pipeline.prepared import Prepared
from envd_magic.pipeline.stop import Stop
from envd_magic.shell import interrupts_raise
from envd_magic.verification.checking import Asked, check

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flytekit import ImageSpec

    from envd_magic.verification.result import Verification


def verify_spec(
    spec: ImageSpec,
    image: str | None = None,
    modules: Iterable[str] = (),
    stop: Stop | None = None,
    context: str | None = None,
) -> Verification:
    """Compare what a spec asks for with what its image has.

    Parameters
    ----------
    spec
        Not changed.
    image
        Name or ID of an image that is looked at in place of the spec's.
    modules
        Modules that are to be imported as well, with dots.
    stop
        Ends it from another thread.
    context
        Name of an envd context, as for a build: it says which engine is looked at.

    Raises
    ------
    SpecError
        If the spec cannot be honoured: what it asks for is not known then.
    ContextError
        If there is no such context.
    EngineError
        If the engine cannot be asked.
    BuildInterrupted
        If the user stopped it.
    """
    stop = stop or Stop()
    engine = Engine(named_engine(context))
    with contextlib.ExitStack() as stack:
        stack.enter_context(interrupts_raise())
        stack.callback(engine.close)
        stack.enter_context(stop.waking(engine.abort))
        prepared = stack.enter_context(contextlib.closing(Prepared(spec)))
        where = None
        if image is not None:
            where = dict.fromkeys(prepared.recipe.platforms[:1], image)
        pushed = image is None and wants_push(spec)
        try:
            return verify_prepared(engine, prepared, modules, stop, where, in_registry=pushed)
        except (Exception, KeyboardInterrupt) as error:
            if isinstance(error, KeyboardInterrupt) or stop.asked:
                what = image or prepared.recipe.image
                raise BuildInterrupted(f"The verification of {what} was stopped") from error
            raise


def verify_prepared(  # noqa: PLR0913
    engine: Engine,
    prepared: Prepared,
    modules: Iterable[str],
    stop: Stop,
    where: Mapping[str, str] | None = None,
    *,
    in_registry: bool = False,
) -> Verification:
    """Compare what was prepared with what is there.

    Parameters
    ----------
    engine
        Where the image is.
    prepared
        A spec and its files.
    modules
        Modules that are to be imported as well.
    stop
        Looked at all the time.
    where
        Names of images that are looked at, by platform; None takes the spec's own.
    in_registry
        Is the image to be in its registry too?
    """
    asked = Asked(
        prepared.spec,
        prepared.inputs,
        prepared.recipe,
        prepared.secrets,
        frozenset(modules),
        in_registry=in_registry,
    )
    return check(engine, asked, where, stop.check)


def required(verification: Verification) -> Verification:
    """Give a verification in which nothing differs.

    Raises
    ------
    VerifyError
        If something does.
    """
    if not verification.good:
        raise VerifyError(verification)
    return verification

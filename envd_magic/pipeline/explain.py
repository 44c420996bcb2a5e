"""What was raised, explained: the diagnosis on the exception itself, and in the result."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envd_magic.diagnosis.model import UNKNOWN, Diagnosis
from envd_magic.errors import VerifyError
from envd_magic.pipeline.events import Phase
from envd_magic.pipeline.result import BuildResult
from envd_magic.pipeline.witness import Witness
from envd_magic.spec.secrets import spec_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.diagnosis.ask import Ask
    from envd_magic.diagnosis.model import Failure
    from envd_magic.engine.client import Engine
    from envd_magic.spec.secrets import Secrets

_BASE = "base_image"


def explain(
    error: BaseException,
    spec: ImageSpec,
    witness: Witness | None = None,
    secrets: Secrets | None = None,
    engine: Engine | None = None,
) -> Diagnosis:
    """Say why a build failed, and put that on the exception as ``diagnosis``.

    Parameters
    ----------
    error
        What was raised.
    spec
        What was to be built.
    witness
        Who has listened; None if nothing ran.
    secrets
        What must not be shown; None takes what the spec has.
    engine
        The build's; None if nothing ran.
    """
    hide = (secrets or spec_secrets(spec)).mask
    kinds = tuple(kind.__name__ for kind in type(error).__mro__)
    problems = tuple(
        (field, None if item is None else str(item), hide(message))
        for field, item, message in _problems(error)
    )
    failure = (witness or Witness()).failure(kinds, hide(str(error)), problems)
    found = _diagnosis(spec, failure, engine)
    error.diagnosis = found  # type: ignore[attr-defined]
    return found


def _problems(error: Any) -> Iterator[tuple[str, object, str]]:
    """Give what an exception itself tells of fields: what is refused, or is not as asked."""
    for one in getattr(error, "problems", ()):
        yield one.field, one.item, one.message
    if isinstance(error, VerifyError):
        for one in error.verification.differing:
            found = f"found {one.found}" if one.found else one.outcome
            yield one.field, one.item or None, f"asked {one.asked}, {found}"


def refused(error: Exception, spec: ImageSpec, seconds: float) -> BuildResult:
    """Give the result of a build that never ran: its spec is refused, or its log has no place."""
    return BuildResult(
        image=str(spec.name),
        digest="",
        status="failed",
        seconds=seconds,
        error=spec_secrets(spec).mask(str(error)),
        stage=Phase.PREPARE.value,
        diagnosis=explain(error, spec),
    )


def _diagnosis(spec: Any, failure: Failure, engine: Engine | None) -> Diagnosis:
    """Diagnose, for the spec that the failure is of; whatever goes wrong here hides nothing."""
    if failure.problems and failure.problems[0][0].startswith(f"{_BASE}."):
        inner = tuple(
            (field.removeprefix(f"{_BASE}."), item, message)
            for field, item, message in failure.problems
        )
        said = failure.message.removeprefix(f"{_BASE}.")
        below = replace(failure, message=said, problems=inner)
        return _diagnosis(spec.base_image, below, engine).within(_BASE)
    try:
        from envd_magic.diagnosis.diagnose import diagnose

        return diagnose(spec, failure, _ask(failure, engine))
    except (Exception, KeyboardInterrupt):  # noqa: BLE001 - the failure itself counts
        return Diagnosis(UNKNOWN, failure.field, None, failure.message.partition("\n")[0])


def _ask(failure: Failure, engine: Engine | None) -> Ask | None:
    """Ask somebody only where a build has run: a spec that is refused is told at once."""
    if failure.problems or engine is None:
        return None
    from envd_magic.diagnosis.online import Online

    return Online(engine)


@contextmanager
def of_the_base() -> Iterator[None]:
    """Name the fields of what fails inside as those of a spec's base spec."""
    try:
        yield
    except Exception as error:
        found = getattr(error, "diagnosis", None)
        if isinstance(found, Diagnosis):
            error.diagnosis = found.within(_BASE)  # type: ignore[attr-defined]
        raise

"""What is shown of a build, as a value: its text, HTML and terminal form are made from one card.

A card has a title with a state, facts, steps, lines of the log, the spec and notes; what it has not
is empty and is not shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from envd_magic.errors import (
    BaseImageError,
    BootstrapError,
    PushError,
    SpecError,
    VerifyError,
)
from envd_magic.spec.source import format_spec
from envd_magic.spec.tag import image_name
from envd_magic.verification.result import OUTCOMES
from envd_magic.view.lines import plain, tidy

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.pipeline.result import BuildResult, Step
    from envd_magic.spec.secrets import Secrets
    from envd_magic.verification.result import Item, Verification
    from envd_magic.view.state import BuildState

_WIDEST = 300
_MINUTE = 60
_FIELD = re.compile(r"( +)(\w+)=")
_INDENT = 4
# The fields that errors come from where no step of envd's has failed.
_OF = (
    (BaseImageError, "base_image"),
    (BootstrapError, "registry_config"),
    (PushError, "registry"),
)
#: What each state is called.
STATES = {
    "running": "Building",
    "built": "Built",
    "exists": "Already there",
    "failed": "Failed to build",
    "stopped": "Stopped",
    "verifying": "Verifying",
    "unverified": "Not verified",
    "verified": "Verified",
    "differs": "Differs from its spec",
}


@dataclass(frozen=True)
class SpecLine:
    """One line of a formatted ImageSpec; marked if it is what failed."""

    text: str
    marked: bool = False


@dataclass(frozen=True)
class Card:
    """What is shown of one build.

    Parameters
    ----------
    state
        One of :data:`STATES`.
    title
        Of the whole, without the state.
    facts
        Names and values, in order.
    progress
        From 0 to 1 while it runs, else None.
    status
        Where it is, in a line, while it runs.
    steps
        In the order in which they began.
    cause
        Why it failed, in a sentence.
    log
        Lines of the log: the last ones, or the failed step's.
    spec
        The ImageSpec that failed.
    notes
        What the user should know.
    fields
        The fields at fault, where it failed.
    checks
        What was asked for and what is there, what differs first.
    """

    state: str
    title: str
    facts: tuple[tuple[str, str], ...] = ()
    progress: float | None = None
    status: str = ""
    steps: tuple[Step, ...] = ()
    cause: str = ""
    log: tuple[str, ...] = ()
    spec: tuple[SpecLine, ...] = ()
    notes: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    checks: tuple[Item, ...] = ()

    @property
    def heading(self) -> str:
        """State and title."""
        return f"{STATES[self.state]}: {self.title}"


def running_card(state: BuildState, hint: str = "", name: str = "…") -> Card:
    """Show a build that runs.

    Parameters
    ----------
    state
        As it is now.
    hint
        How to stop it.
    name
        What it is called before it has begun.
    """
    if state.began is None:
        return Card(state="running", title=name, progress=0.0, status=_joined("Waiting", hint))
    where = f"{state.phase.value} ({state.detail})" if state.detail else state.phase.value
    of = max(state.expected, len(state.steps))
    counted = f" · {state.done} of {of} steps" if state.steps else ""
    status = _joined(f"{where} · {duration(state.seconds)}{counted}", hint)
    return _clean(
        Card(
            state="running",
            title=state.image,
            progress=state.progress,
            status=status,
            steps=state.steps,
            log=state.log,
            notes=tuple(state.notices),
        )
    )


def _joined(status: str, hint: str) -> str:
    return f"{status} · {hint}" if hint else status


def _clean(card: Card) -> Card:
    """Take control characters out of what is made of a user's words; the log's are taken later."""
    return replace(
        card,
        title=plain(card.title),
        status=plain(card.status),
        facts=tuple((name, plain(value)) for name, value in card.facts),
        steps=tuple(
            replace(step, name=tidy(plain(step.name), _WIDEST), field=plain(step.field))
            for step in card.steps
        ),
        cause=plain(card.cause),
        notes=tuple(map(plain, card.notes)),
        checks=tuple(map(_clean_item, card.checks)),
    )


def _clean_item(item: Item) -> Item:
    names = ("field", "item", "asked", "found", "why")
    return replace(item, **{name: plain(getattr(item, name)) for name in names})


def result_card(result: BuildResult, variable: str | None = None) -> Card:
    """Show what came out of a build that did not fail.

    Parameters
    ----------
    result
        Its end.
    variable
        Name that the spec is bound to.
    """
    facts = [("Image", result.image)]
    facts += [(platform, name) for platform, name in result.platforms.items()]
    if result.digest:
        where = "" if result.pushed else " (local only)"
        facts.append(("Digest", f"{result.digest}{where}"))
    if result.size:
        facts.append(("Size", size(result.size)))
    facts.append(("Time", duration(result.seconds)))
    if variable:
        facts.append(("Use", f"@task(container_image={variable})"))
    facts += _verified_facts(result.verification)
    facts += _log_fact(result)
    return _clean(
        Card(
            state=result.status,
            title=result.image,
            facts=tuple(facts),
            steps=result.steps,
            notes=result.warnings,
            checks=_checks(result.verification),
        )
    )


def verification_card(verification: Verification) -> Card:
    """Show what a verification came to."""
    facts = [("Image", verification.image)]
    if verification.python:
        facts.append(("Python", verification.python))
    if verification.size:
        facts.append(("Size", size(verification.size)))
    facts.append(("Time", duration(verification.seconds)))
    facts += _verified_facts(verification)
    return _clean(
        Card(
            state="verified" if verification.good else "differs",
            title=verification.image,
            facts=tuple(facts),
            checks=_checks(verification),
            fields=tuple(sorted({item.field for item in verification.differing})),
        )
    )


def _verified_facts(verification: Verification | None) -> list[tuple[str, str]]:
    if verification is None:
        return []
    sizes = [f"{field or 'other'} {size(of)}" for field, of in verification.sizes().items()]
    facts = [("Compared", verification.counts())]
    return [*facts, ("Size by field", ", ".join(sizes))] if sizes else facts


def _checks(verification: Verification | None) -> tuple[Item, ...]:
    if verification is None:
        return ()
    return tuple(item for outcome in OUTCOMES for item in verification.of(outcome))


def stopped_card(result: BuildResult | None, name: str) -> Card:
    """Show a build that the user stopped."""
    if result is None:
        return Card(state="stopped", title=name)
    facts = (("Time", duration(result.seconds)), *_log_fact(result))
    steps = tuple(
        replace(step, status="stopped") if step.status == "running" else step
        for step in result.steps
    )
    return _clean(Card(state="stopped", title=result.image, facts=facts, steps=steps))


def failure_card(
    error: BaseException, spec: ImageSpec, secrets: Secrets, result: BuildResult | None
) -> Card:
    """Show a build that failed: the cause, the step's last lines, the spec with its field marked.

    Parameters
    ----------
    error
        What was raised.
    spec
        What was to be built.
    secrets
        What must not be shown.
    result
        How far it came; None if nothing ran.
    """
    first, *rest = secrets.mask(str(error)).splitlines() or [type(error).__name__]
    step = next((s for s in result.steps if s.status == "failed"), None) if result else None
    field = step.field if step else next((f for kind, f in _OF if isinstance(error, kind)), "")
    fields = {_path_of(spec, result, field)} if result and field else set()
    if isinstance(error, SpecError):
        fields = {problem.field for problem in error.problems}
    verification = None
    if isinstance(error, VerifyError):
        # The table tells the rest.
        verification, rest = error.verification, []
        fields = {item.field for item in verification.differing}
    facts = [("Time", duration(result.seconds)), *_log_fact(result)] if result else []
    facts += _verified_facts(verification)
    if result and result.stage:
        facts.insert(0, ("Stage", result.stage))
    return _clean(
        Card(
            state="failed",
            title=result.image if result else str(getattr(spec, "name", "")),
            facts=tuple(facts),
            steps=result.steps if result else (),
            cause=first,
            log=tuple(tidy(line.removeprefix("    "), _WIDEST) for line in rest),
            spec=marked_lines(format_spec(spec, secrets), fields),
            notes=result.warnings if result else (),
            fields=tuple(sorted(fields)),
            checks=_checks(verification),
        )
    )


def marked_lines(text: str, fields: set[str]) -> tuple[SpecLine, ...]:
    """Lines of a formatted spec, with those of some fields marked.

    Parameters
    ----------
    text
        As :func:`~envd_magic.spec.source.format_spec` makes it.
    fields
        Their names; a base spec's as ``base_image.packages``.
    """
    lines: list[SpecLine] = []
    path: list[str] = []
    for line in text.splitlines():
        depth = (len(line) - len(line.lstrip(" "))) // _INDENT
        if match := _FIELD.match(line):
            path = [*path[: depth - 1], match[2]]
        elif depth <= len(path) - 1:
            # The bracket that closes a base spec.
            path = path[:depth]
        lines.append(SpecLine(line, ".".join(path) in fields and depth > 0))
    return tuple(lines)


def _path_of(spec: Any, result: BuildResult, field: str) -> str:
    """Name a field of the spec whose build failed, which may be a base spec."""
    prefix = ""
    while hasattr(spec, "base_image"):
        if image_name(spec) == result.image:
            return prefix + field
        spec, prefix = spec.base_image, f"{prefix}base_image."
    return field


def _log_fact(result: BuildResult) -> list[tuple[str, str]]:
    return [("Log", str(result.log_file))] if result.log_file is not None else []


def duration(seconds: float) -> str:
    """Seconds in words: ``"4.2 s"``, ``"3 min 07 s"``."""
    if round(seconds, 1) < _MINUTE:
        return f"{seconds:.1f} s"
    whole = max(_MINUTE, int(seconds))
    return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"


def size(count: float) -> str:
    """Bytes in words, with decimal units as docker has them."""
    for unit in ("B", "kB", "MB"):
        if round(count) < 1000:  # noqa: PLR2004
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"  # noqa: PLR2004
        count /= 1000
    return f"{count:.2f} GB"

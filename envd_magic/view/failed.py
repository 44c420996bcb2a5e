"""The card of a build that failed: why, the step, the spec with what is at fault marked, fixes."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from envd_magic.diagnosis.edits import difference
from envd_magic.diagnosis.model import UNKNOWN, Diagnosis
from envd_magic.errors import BaseImageError, BootstrapError, PushError, SpecError, VerifyError
from envd_magic.spec.source import format_spec
from envd_magic.spec.tag import image_name
from envd_magic.view.cards import (
    WIDEST,
    Card,
    Help,
    SpecLine,
    checks_of,
    clean,
    duration,
    log_fact,
    verified_facts,
)
from envd_magic.view.lines import tidy

if TYPE_CHECKING:
    from flytekit import ImageSpec

    from envd_magic.diagnosis.model import Fix
    from envd_magic.pipeline.result import BuildResult
    from envd_magic.spec.secrets import Secrets

_FIELD = re.compile(r"( +)(\w+)=")
_INDENT = 4
# The fields that errors come from where nothing else tells them.
_OF = (
    (BaseImageError, "base_image"),
    (BootstrapError, "registry_config"),
    (PushError, "registry"),
)
# What pip's coming in tells, where the failure tells it better.
_TOLD = "pip installs, since uv "


def failure_card(
    error: BaseException, spec: ImageSpec, secrets: Secrets, result: BuildResult | None
) -> Card:
    """Show a build that failed.

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
    found = diagnosis_of(error, spec, result)
    fields, item = _at_fault(error, spec, result, found)
    verification = error.verification if isinstance(error, VerifyError) else None
    facts = [("Time", duration(result.seconds)), *log_fact(result)] if result else []
    facts += verified_facts(verification)
    if result and result.stage:
        facts.insert(0, ("Stage", result.stage))
    # The table of a verification tells the rest.
    log = [line.removeprefix("    ") for line in rest] if verification is None else []
    card = Card(
        state="failed",
        title=result.image if result else str(getattr(spec, "name", "")),
        facts=tuple(facts),
        steps=result.steps if result else (),
        cause=first,
        log=tuple(tidy(line, WIDEST) for line in log),
        spec=marked_lines(format_spec(spec, secrets), fields, item),
        notes=result.warnings if result else (),
        fields=tuple(sorted(fields)),
        checks=checks_of(verification),
    )
    return clean(card if found is None else _explained(card, found, spec))


def diagnosis_of(error: BaseException, spec: Any, result: BuildResult | None) -> Diagnosis | None:
    """Give why it failed: the exception has it, or the result that is left of it."""
    found = getattr(error, "diagnosis", None)
    if isinstance(found, Diagnosis):
        return found
    if result is None or result.diagnosis is None:
        return None
    below = _depth(spec, result)
    found = result.diagnosis
    for _ in range(below):
        found = found.within("base_image")
    return found


def _explained(card: Card, found: Diagnosis, spec: ImageSpec) -> Card:
    """Add why it failed and what helps."""
    shown = {line.strip() for line in card.log}
    before = [tidy(line, WIDEST) for line in found.evidence]
    before = [line for line in before if line.strip() not in shown]
    told = {card.cause, found.cause}
    before = [line for line in before if line not in told]
    log = (*before, *(["…"] if before and card.log else []), *card.log)
    card = replace(card, diagnosis=found)
    if found.kind == UNKNOWN:
        return replace(card, cause=f"{card.cause} (cause unknown)", log=log)
    helps = tuple(Help(fix.text, _difference(spec, fix), fix.command) for fix in found.fixes)
    notes = tuple(note for note in card.notes if not note.startswith(_TOLD))
    # Where no step has failed, the message says the same in other words.
    cause = str(found)
    step = card.cause if card.cause != cause and (card.log or "step" in card.cause) else ""
    return replace(card, cause=cause, step=step, log=log, helps=helps, notes=notes)


def _difference(spec: ImageSpec, fix: Fix) -> tuple[str, ...]:
    if not fix.changes:
        return tuple(line for edit in fix.edits for line in edit.diff)
    try:
        return tuple(difference(spec, fix))
    except (ValueError, AttributeError, TypeError):
        # The spec of a recording has masks where secrets were.
        return ()


def _at_fault(
    error: BaseException, spec: Any, result: BuildResult | None, found: Diagnosis | None
) -> tuple[set[str], str | None]:
    """Give the fields at fault, and the item where there is one."""
    if isinstance(error, VerifyError):
        return {item.field for item in error.verification.differing}, None
    if isinstance(error, SpecError) and len(error.problems) != 1:
        return {problem.field for problem in error.problems}, None
    if found is not None and (found.field or found.kind != UNKNOWN):
        return {found.field} - {""}, found.item
    if isinstance(error, SpecError):
        return {problem.field for problem in error.problems}, None
    step = next((s for s in result.steps if s.status == "failed"), None) if result else None
    field = step.field if step else next((f for kind, f in _OF if isinstance(error, kind)), "")
    return ({_path_of(spec, result, field)} if result and field else set()), None


def marked_lines(text: str, fields: set[str], item: str | None = None) -> tuple[SpecLine, ...]:
    """Lines of a formatted spec, with those of some fields marked.

    Parameters
    ----------
    text
        As :func:`~envd_magic.spec.source.format_spec` makes it.
    fields
        Their names; a base spec's as ``base_image.packages``.
    item
        Which item of the field it is; None marks all of it.
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
    return _narrowed(lines, item)


def _narrowed(lines: list[SpecLine], item: str | None) -> tuple[SpecLine, ...]:
    """Mark the item alone, where it can be seen."""
    shown = repr(item)
    places = [
        (number, line.text.index(shown))
        for number, line in enumerate(lines)
        if item is not None and line.marked and shown in line.text
    ]
    if len(places) != 1:
        return tuple(lines)
    number, start = places[0]
    part = (start, start + len(shown))
    return tuple(
        replace(line, marked=n == number, part=part if n == number else None)
        for n, line in enumerate(lines)
    )


def _path_of(spec: Any, result: BuildResult, field: str) -> str:
    """Name a field of the spec whose build failed, which may be a base spec."""
    return "base_image." * _depth(spec, result) + field


def _depth(spec: Any, result: BuildResult) -> int:
    """Say how far below a spec the one is that a result is of."""
    depth = 0
    while hasattr(spec, "base_image"):
        try:
            if image_name(spec) == result.image:
                return depth
        except (SpecError, ValueError, OSError):
            return 0
        spec, depth = spec.base_image, depth + 1
    return 0

"""Events of builds as JSON and back: one form for recordings and for programs that listen."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from envd_magic.diagnosis.model import Diagnosis
from envd_magic.pipeline import events as kinds
from envd_magic.pipeline.result import BuildResult, Step
from envd_magic.verification.result import from_json as from_verification

if TYPE_CHECKING:
    from envd_magic.pipeline.events import Event

_KINDS: dict[str, type] = {
    "started": kinds.Started,
    "finished": kinds.Finished,
    "phase": kinds.PhaseChanged,
    "notice": kinds.Notice,
    "output": kinds.Output,
    "step_started": kinds.StepStarted,
    "step_cached": kinds.StepCached,
    "step_done": kinds.StepDone,
    "step_failed": kinds.StepFailed,
}
_STATUSES = ("built", "exists", "failed", "stopped")
_NAMES = {kind: name for name, kind in _KINDS.items()}


def to_json(event: Event) -> dict[str, Any] | None:
    """Give an event as values of JSON; None for one that tells nothing."""
    if isinstance(event, kinds.Tick):
        return None
    told: dict[str, Any] = {"event": _NAMES[type(event)]}
    if isinstance(event, kinds.Output):
        return {**told, "text": event.text}
    if isinstance(event, kinds.Finished):
        return {**told, "result": result_to_json(event.result)}
    # None but a result has dataclasses in it.
    told |= vars(event)
    if isinstance(event, kinds.PhaseChanged):
        told["phase"] = event.phase.name
    elif isinstance(event, kinds.Started):
        told["log_file"] = _text(event.log_file)
    return told


def result_to_json(result: BuildResult) -> dict[str, Any]:
    """Give a result as values of JSON."""
    told = {**dataclasses.asdict(result), "log_file": _text(result.log_file)}
    if result.verification is not None:
        told["verification"] = result.verification.to_json()
    return told


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def from_json(told: dict[str, Any]) -> Event:
    """Give the event that :func:`to_json` was given.

    Raises
    ------
    ValueError
        If it is none of those that are known.
    """
    try:
        kind = _KINDS[told["event"]]
        values = {name: value for name, value in told.items() if name != "event"}
        if kind is kinds.Finished:
            return kinds.Finished(result_from_json(values["result"]))
        if kind is kinds.PhaseChanged:
            values["phase"] = kinds.Phase[values["phase"]]
        if kind is kinds.StepFailed:
            values["lines"] = tuple(values["lines"])
        if kind is kinds.Started and values.get("log_file"):
            values["log_file"] = Path(values["log_file"])
        event: Event = kind(**values)
        if isinstance(event, kinds.Output):
            # No dataclass, for speed.
            return kinds.Output(event.text + "")
        _require_kinds(event)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no event that is known: {str(told)[:80]}") from error
    return event


_PLAIN: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
    "str | None": (str, type(None)),
    "float | None": (int, float, type(None)),
}
# No build takes as long, or makes as much.
_MOST = 1 << 62


def _require_kinds(value: Any) -> None:
    """Refuse what somebody wrote who is no recorder: values of other kinds than their names say.

    Raises
    ------
    TypeError
        If one is.
    """
    for name, kind in ((one.name, str(one.type)) for one in dataclasses.fields(value)):
        own, plain = getattr(value, name), _PLAIN.get(kind)
        if plain is not None:
            is_right = isinstance(own, plain)
        elif kind.startswith("dict"):
            is_right = isinstance(own, dict) and all(
                isinstance(text, str) for pair in own.items() for text in pair
            )
        elif kind.startswith("tuple[str"):
            is_right = isinstance(own, tuple) and all(isinstance(text, str) for text in own)
        else:
            is_right = True
            for inner in own if isinstance(own, tuple) else (own,):
                if dataclasses.is_dataclass(inner):
                    _require_kinds(inner)
        if isinstance(own, (int, float)) and not abs(own) < _MOST:
            is_right = False
        if not is_right:
            raise TypeError(f"{name} is {str(own)[:80]}")


def result_from_json(told: dict[str, Any]) -> BuildResult:
    """Give the result that :func:`result_to_json` was given."""
    values = dict(told)
    if values["status"] not in _STATUSES:
        raise TypeError(f"status is {str(values['status'])[:80]}")
    values["steps"] = tuple(Step(**step) for step in values.get("steps", ()))
    values["warnings"] = tuple(values.get("warnings", ()))
    values["log_file"] = Path(values["log_file"]) if values.get("log_file") else None
    if values.get("verification"):
        values["verification"] = from_verification(values["verification"])
    if values.get("diagnosis"):
        values["diagnosis"] = Diagnosis.from_json(values["diagnosis"])
    return BuildResult(**values)

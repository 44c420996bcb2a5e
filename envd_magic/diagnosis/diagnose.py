"""From what is known of a failure to why it is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from envd_magic.diagnosis.ask import Ask
from envd_magic.diagnosis.edits import fixed
from envd_magic.diagnosis.fixes.indexes import host_of
from envd_magic.diagnosis.model import UNKNOWN, Diagnosis, Fix
from envd_magic.diagnosis.places import ignored_versions
from envd_magic.diagnosis.rules import rules_for
from envd_magic.diagnosis.view import View, groups
from envd_magic.spec.secrets import spec_secrets

if TYPE_CHECKING:
    from collections.abc import Callable

    from flytekit import ImageSpec

    from envd_magic.diagnosis.model import Failure
    from envd_magic.diagnosis.rule import Rule
    from envd_magic.diagnosis.view import Place

# Lines that are shown as evidence, and the characters of one.
_MOST, _WIDEST = 6, 300
# Characters of a sentence, and of what a pattern has found in it.
_LONGEST, _WIDE = 400, 160
_MOST_FIXES = 4
# Versions that are named as near.
_NEAR = 3
_TOOLS = {
    "python_version": "Python",
    "conda_packages": "conda",
    "cuda": "CUDA",
    "base_image": "the base image",
}
# https://tldp.org/LDP/abs/html/exitcodes.html; above 128 they are signals'.
_EXITS = {
    124: "the time that `timeout` gave it was up",
    126: "what it names cannot be run",
    132: "SIGILL: it is built for another processor",
    134: "SIGABRT: it gave up by itself",
    135: "SIGBUS: what it read was cut short",
    136: "SIGFPE: it divided by zero",
    139: "SIGSEGV: compiled code crashed",
    141: "SIGPIPE: what reads its output had ended",
    143: "SIGTERM: it was ended from outside",
    153: "SIGXFSZ: a file became larger than it may be",
}
# A line that looks like a reason.
_TELLING = re.compile(
    r"\b(?:errors?|fatal|fail(?:ed|ure)?|cannot|can't|could not|denied|refused|not found|no such|"
    r"unable|invalid|missing|exception|traceback|unsupported|killed|abort(?:ed)?)\b|Error\b",
    re.IGNORECASE,
)


class _Words(dict[str, str]):
    """Words for a sentence; what is not known is left open."""

    def __missing__(self, name: str) -> str:
        return "…"


def diagnose(spec: ImageSpec, failure: Failure, ask: Ask | None = None) -> Diagnosis:
    """Say why a build failed.

    Parameters
    ----------
    spec
        What was to be built.
    failure
        What is known of it, secrets masked.
    ask
        Who may be asked what indexes and registries know; None asks nobody.
    """
    view, ask = View(spec, failure), ask or Ask()
    hide = spec_secrets(spec).mask
    found = _found(view, ask)
    if found is None:
        return _unknown(view)
    rule, match, place = found
    cause = rule.cause.format_map(_Words(_words(view, match, place)))
    return Diagnosis(
        kind=rule.kind,
        field=place.field,
        item=None if place.item is None else hide(place.item),
        cause=hide(_short(cause, _LONGEST)),
        evidence=tuple(map(hide, _evidence(view, match))),
        fixes=tuple(_hidden(fix, hide) for fix in _fixes(rule, view, match, place, ask)),
        certain=rule.certain and place.sure,
        where=str(place.line or ""),
    )


def _found(view: View, ask: Ask) -> tuple[Rule, re.Match[str], Place] | None:
    """Find the first rule that fits, with where it fits and what is meant by it."""
    for rule in rules_for(view.failure):
        for match in rule.matches(view.text):
            place = rule.place(view, match)
            if place is None:
                continue
            closer = rule.closer(view, match, place, ask) if rule.closer else None
            if closer is not None:
                return closer, match, closer.place(view, match) or place
            return rule, match, place
    return None


def _fixes(rule: Rule, view: View, match: re.Match[str], place: Place, ask: Ask) -> tuple[Fix, ...]:
    """Give what can be done; of several that change the same, the first."""
    found: dict[tuple[object, ...], Fix] = {}
    for fixes in rule.fixes:
        for fix in fixes(view, match, place, ask):
            key = (repr(fix.changes),) if fix.changes else (fix.text,)
            if not fix.changes or _changes(view.spec, fix):
                found.setdefault(key, fix)
    return tuple(found.values())[:_MOST_FIXES]


def _changes(spec: ImageSpec, fix: Fix) -> bool:
    """Does it change anything? What the spec has already, as a package, has not helped."""
    try:
        return bool(fixed(spec, fix) != spec)
    except ValueError:
        return False


def _hidden(fix: Fix, hide: Callable[[str], str]) -> Fix:
    """Take secrets out; a change that has one in it is told, and is the user's to make."""
    values = repr(fix.changes)
    changes = fix.changes if hide(values) == values else ()
    edits = fix.edits if hide(repr(fix.edits)) == repr(fix.edits) else ()
    return Fix(hide(fix.text), changes, hide(fix.command), edits)


def _words(view: View, match: re.Match[str], place: Place) -> dict[str, str]:
    """Give the words that a sentence may have."""
    said = {name: _short(text, _WIDE) for name, text in groups(match).items()}
    problems = view.failure.problems
    words = {
        "item": place.item or "what is asked for",
        "code": _exit_code(view.exit_code),
        "base": view.base,
        "registry": view.registry,
        "host": host_of(view, match, place) or "the index",
        "platform": view.platform,
        "step": view.failure.step,
        "tool": _TOOLS.get(place.field, "what the step needs"),
        "said": problems[0][2] if problems else view.failure.message,
        "spec": "what is asked for",
        "what": "it",
    }
    words.update((name, text) for name, text in said.items() if text)
    if "lines" in said:
        lines = groups(match)["lines"].strip().splitlines()
        words["pair"] = "; ".join(line.strip().replace("The user", "you") for line in lines)
    if "versions" in said:
        versions = groups(match)["versions"].split(",")
        words["near"] = ", ".join(version.strip() for version in versions[-_NEAR:])
    if "asks" in said:
        asked = {python for _, python in ignored_versions(match)}
        words["wanted"] = " or ".join(sorted(asked)) or said["asks"]
    return words


def _exit_code(code: int | None) -> str:
    """Give an exit code, with what it means where shells agree on that."""
    meaning = _EXITS.get(code or 0)
    return f"{code} ({meaning})" if meaning else str(code)


def _short(text: str, most: int) -> str:
    """Give a text on one line, cut if it is long."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def _evidence(view: View, match: re.Match[str]) -> list[str]:
    """Give the lines that tell it: those that the pattern has found, or else the last ones."""
    if not match[0].strip():
        return _telling(view)
    start = view.text.rfind("\n", 0, match.start()) + 1
    end = view.text.find("\n", match.end())
    lines = view.text[start : end if end >= 0 else None].splitlines()
    lines = [line for line in lines if line.strip()]
    if len(lines) > _MOST:
        # The ends are what the pattern is about.
        lines = [*lines[: _MOST // 2], *lines[-(_MOST // 2) :]]
    return [_short(line, _WIDEST) for line in lines]


def _telling(view: View) -> list[str]:
    """Give the lines that look like reasons, and the last ones."""
    lines = [line for line in view.failure.lines if line.strip()]
    if not view.failure.step or not lines:
        lines = [line for line in view.failure.message.splitlines() if line.strip()] or lines
    last = len(lines) - 2
    telling = [n for n, line in enumerate(lines) if n >= last or _TELLING.search(line)]
    return [_short(lines[number], _WIDEST) for number in telling[-_MOST:]]


def _unknown(view: View) -> Diagnosis:
    evidence = _telling(view)
    failure = view.failure
    # What was raised by ourselves is a sentence already.
    cause = _short(failure.message.partition("\n")[0], _LONGEST)
    return Diagnosis(UNKNOWN, failure.field, None, cause, tuple(evidence))

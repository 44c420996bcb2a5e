"""What is shown of a build, as a value: its text, HTML and terminal form are made from one card.

A card has a title with a state, facts, steps, lines of the log, the spec and notes; what it has not
is empty and is not shown.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from envd_magic.verification.result import OUTCOMES
from envd_magic.view.lines import plain, tidy

if TYPE_CHECKING:
    from envd_magic.diagnosis.model import Diagnosis
    from envd_magic.doctor.finding import Finding
    from envd_magic.pipeline.result import BuildResult, Step
    from envd_magic.verification.result import Item, Verification
    from envd_magic.view.state import BuildState

#: Characters of a line that are shown.
WIDEST = 300
_MINUTE = 60
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
    "examining": "Examining",
    "examined": "Examined",
    "lacking": "Not all is there",
}

#: Those of the doctor's own card, whose findings need no heading.
EXAMINED = ("examined", "lacking")


@dataclass(frozen=True)
class SpecLine:
    """One line of a formatted ImageSpec.

    Parameters
    ----------
    text
        The line.
    marked
        Is it at fault?
    part
        Where in the line what is at fault stands; None means the whole line.
    """

    text: str
    marked: bool = False
    part: tuple[int, int] | None = None


@dataclass(frozen=True)
class Help:
    """What can be done, as it is shown.

    Parameters
    ----------
    text
        In a few words.
    diff
        What it changes in the spec, or in a file: lines that begin with + or -.
    command
        What to run or to write elsewhere.
    """

    text: str
    diff: tuple[str, ...] = ()
    command: str = ""


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
    step
        Which step failed, and how, in a sentence.
    helps
        What can be done, the best first.
    hint
        How to do that from here.
    diagnosis
        Why it failed, as far as that is known.
    findings
        The doctor's, in order.
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
    step: str = ""
    helps: tuple[Help, ...] = ()
    hint: str = ""
    diagnosis: Diagnosis | None = None
    findings: tuple[Finding, ...] = ()

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
    return clean(
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


def clean(card: Card) -> Card:
    """Take control characters out of what is made of a user's words; the log's are taken later."""
    return replace(
        card,
        title=plain(card.title),
        status=plain(card.status),
        facts=tuple((name, plain(value)) for name, value in card.facts),
        steps=tuple(
            replace(step, name=tidy(plain(step.name), WIDEST), field=plain(step.field))
            for step in card.steps
        ),
        cause=plain(card.cause),
        step=plain(card.step),
        helps=tuple(
            Help(plain(one.text), tuple(map(plain, one.diff)), plain(one.command))
            for one in card.helps
        ),
        notes=tuple(map(plain, card.notes)),
        checks=tuple(map(_clean_item, card.checks)),
        findings=tuple(
            replace(one, text=plain(one.text), fix=plain(one.fix)) for one in card.findings
        ),
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
    facts += verified_facts(result.verification)
    facts += log_fact(result)
    return clean(
        Card(
            state=result.status,
            title=result.image,
            facts=tuple(facts),
            steps=result.steps,
            notes=result.warnings,
            checks=checks_of(result.verification),
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
    facts += verified_facts(verification)
    return clean(
        Card(
            state="verified" if verification.good else "differs",
            title=verification.image,
            facts=tuple(facts),
            checks=checks_of(verification),
            fields=tuple(sorted({item.field for item in verification.differing})),
        )
    )


def verified_facts(verification: Verification | None) -> list[tuple[str, str]]:
    """Give what a verification tells in numbers."""
    if verification is None:
        return []
    sizes = [f"{field or 'other'} {size(of)}" for field, of in verification.sizes().items()]
    facts = [("Compared", verification.counts())]
    return [*facts, ("Size by field", ", ".join(sizes))] if sizes else facts


def checks_of(verification: Verification | None) -> tuple[Item, ...]:
    """Give what was looked at, what matters most first."""
    if verification is None:
        return ()
    return tuple(item for outcome in OUTCOMES for item in verification.of(outcome))


def stopped_card(result: BuildResult | None, name: str) -> Card:
    """Show a build that the user stopped."""
    if result is None:
        return Card(state="stopped", title=name)
    facts = (("Time", duration(result.seconds)), *log_fact(result))
    steps = tuple(
        replace(step, status="stopped") if step.status == "running" else step
        for step in result.steps
    )
    return clean(Card(state="stopped", title=result.image, facts=facts, steps=steps))


def log_fact(result: BuildResult) -> list[tuple[str, str]]:
    """Give where the log is, if there is one."""
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

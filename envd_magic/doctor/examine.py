"""All checks, side by side, none of them for long."""

from __future__ import annotations

import queue
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from envd_magic.doctor import around, builders, disk, engine, programs, registries
from envd_magic.doctor.finding import FAIL, WARNING, Finding
from envd_magic.doctor.subject import Machine, Subject
from envd_magic.errors import EnvdMagicError
from envd_magic.pipeline.explain import explain
from envd_magic.shell import interrupts_raise
from envd_magic.spec.secrets import Secrets, spec_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

# Seconds that a check may take. A new envd home makes a key, which takes a while.
_LIMIT, _LONG_LIMIT = 12.0, 60.0
# Seconds between two looks at the clock.
_MOMENT = 0.2


class Check(NamedTuple):
    """A check.

    Parameters
    ----------
    name
        What it looks at.
    look
        Looks; what it raises is what is wrong.
    each
        Is it about a spec, and not about the machine?
    needs
        Names of the checks that tell what is wrong where this one finds nothing to look at.
    seconds
        How long it may take.
    """

    name: str
    look: Callable[[Machine, Subject], Iterator[Finding]]
    each: bool = False
    needs: tuple[str, ...] = ()
    seconds: float = _LIMIT


#: In the order in which they are shown.
CHECKS: tuple[Check, ...] = (
    Check("envd", programs.envd),
    Check("flytekit", programs.flytekit),
    Check("context", programs.context, each=True, needs=("envd",), seconds=_LONG_LIMIT),
    Check("builder", builders.builder, each=True, needs=("context",), seconds=_LONG_LIMIT),
    Check("engine", engine.engine, each=True),
    Check("engine's disk", engine.disk, each=True, needs=("engine",)),
    Check("platform", engine.platform, each=True, needs=("engine", "context")),
    Check("registry", registries.registry, each=True),
    Check("base image", registries.base_image, each=True),
    Check("proxy", around.proxy, each=True),
    Check("folders", disk.folders),
    Check("loopback", programs.loopback, needs=("context",), seconds=_LONG_LIMIT),
    Check("Binder", around.binder),
)


@dataclass
class _Run:
    """One check of one subject."""

    check: Check
    subject: Subject
    found: list[Finding] = field(default_factory=list)
    error: Exception | None = None
    ended: bool = False

    def look(self, machine: Machine, done: queue.Queue[_Run]) -> None:
        try:
            self.found = list(self.check.look(machine, self.subject))
        except Exception as error:  # noqa: BLE001 - told as what is wrong
            self.error = error
        done.put(self)


#: Those that tell whether a context can be used.
OF_CONTEXTS = ("envd", "context", "builder", "engine")


def examine(
    subjects: Sequence[Subject] = (), names: Collection[str] | None = None
) -> list[Finding]:
    """Look at all that the builds of some specs need.

    Parameters
    ----------
    subjects
        None of them stands for flytekit's default image.
    names
        Names of the checks; None takes all.

    Returns
    -------
    list of Finding
        In the order of :data:`CHECKS`, each once; secrets are masked.
    """
    subjects = subjects or (Subject(),)
    machine = Machine(subjects)
    runs = [
        _Run(check, subject)
        for check in CHECKS
        if names is None or check.name in names
        for subject in (subjects if check.each else subjects[:1])
    ]
    try:
        with interrupts_raise():
            _run_all(runs, machine)
    finally:
        # Ends what hangs.
        machine.close()
    return _told(runs, _secrets(subjects))


def _run_all(runs: Sequence[_Run], machine: Machine) -> None:
    """Run all at once, and wait for each as long as it may take."""
    done: queue.Queue[_Run] = queue.Queue()
    began = time.monotonic()
    for run in runs:
        # Nobody waits for one that hangs.
        name = f"envd_magic-doctor-{run.check.name}"
        threading.Thread(target=run.look, args=(machine, done), name=name, daemon=True).start()
    waiting = len(runs)
    while waiting:
        try:
            done.get(timeout=_MOMENT).ended = True
        except queue.Empty:
            passed = time.monotonic() - began
        else:
            waiting -= 1
            continue
        if all(run.ended or passed > run.check.seconds for run in runs):
            return


def _told(runs: Sequence[_Run], secrets: Secrets) -> list[Finding]:
    """Give what was found, each once, and what was not found in time."""
    bad = {run.check.name for run in runs if not run.ended or run.error is not None}
    found: dict[Finding, None] = {}
    for run in runs:
        for one in _findings(run, bad):
            text = secrets.mask(one.text)
            found[Finding(one.name, one.outcome, text, secrets.mask(one.fix))] = None
    return list(found)


def _findings(run: _Run, bad: set[str]) -> list[Finding]:
    name = run.check.name
    if run.ended and run.error is None:
        return run.found
    if not bad.isdisjoint(run.check.needs):
        return []
    if not run.ended:
        text = f"no answer within {run.check.seconds:.0f} s"
        return [Finding(name, FAIL, text)]
    if isinstance(run.error, (EnvdMagicError, OSError)):
        return [Finding(name, FAIL, _text(run.error), _fix(run.error, run.subject))]
    kind = type(run.error).__name__
    return [Finding(name, WARNING, f"this could not be looked at: {kind}: {run.error}")]


def _text(error: Exception) -> str:
    return " ".join(str(error).split())


def _fix(error: Exception, subject: Subject) -> str:
    """Give the command that mends what a build would fail of in the same way."""
    found = explain(error, subject.asked)
    return next((fix.command for fix in found.fixes if fix.command), "")


def _secrets(subjects: Sequence[Subject]) -> Secrets:
    found = Secrets()
    for subject in subjects:
        found |= spec_secrets(subject.asked)
    return found

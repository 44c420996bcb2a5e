"""The log of a build, and the stream of its events: masked once, here, for all who listen."""

from __future__ import annotations

import dataclasses
import re
import secrets as random_names
import time
from typing import TYPE_CHECKING

from envd_magic.envd.progress import (
    LineSplitter,
    Output,
    ProgressReader,
    StepCached,
    StepDone,
    StepFailed,
    StepStarted,
)
from envd_magic.paths import log_folder
from envd_magic.pipeline.events import Finished, Notice, PhaseChanged, Tick
from envd_magic.pipeline.log_file import LogFile
from envd_magic.pipeline.result import Step
from envd_magic.pipeline.stop import Stop
from envd_magic.recipe.describe import BaseStep, describe, is_offered

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from envd_magic.envd.progress import StepEvent
    from envd_magic.pipeline.events import Event, Listener
    from envd_magic.recipe.model import Recipe, Rule
    from envd_magic.spec.secrets import Secrets

_NOTICE = re.compile(r"^(?:#\d+ \d+\.\d+ )?envd_magic: (.+)$", re.MULTILINE)


class BuildLog:
    """Writes a build's log and passes its events on.

    Parameters
    ----------
    name
        Of the image, for the file's name.
    secrets
        What no line may show.
    listener
        Who is told.
    folder
        Where the file goes; None takes the usual place.
    stop
        Looked at with every event that is no mere notice.
    """

    def __init__(
        self,
        name: str,
        secrets: Secrets,
        listener: Listener | None,
        folder: Path | None = None,
        stop: Stop | None = None,
    ) -> None:
        stamp = time.strftime("%Y%m%d-%H%M%S")
        safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80]
        unique = random_names.token_hex(3)
        self.path: Path = (folder or log_folder()) / f"{stamp}-{safe}-{unique}.log"
        self._file = LogFile(self.path)
        self.secrets = secrets
        self._listener = listener
        self._stop = stop or Stop()
        self._steps: dict[tuple[int, int], Step] = {}
        self._began: dict[tuple[int, int], float] = {}
        self._rules: dict[tuple[int, int], Rule | None] = {}
        self._run = 0
        self.recipe: Recipe | None = None
        self.base_step: BaseStep | None = None
        self.warnings: list[str] = []
        self.failure: StepFailed | None = None
        """The step that failed first: what fails after it may have been cancelled for it."""

    def emit(self, event: Event) -> None:
        """Tell the listener; what is no line of envd's is written to the log as well.

        Raises
        ------
        KeyboardInterrupt
            If the build is to stop.
        """
        if not isinstance(event, (Finished, Notice)):
            self._stop.check()
        if isinstance(event, (PhaseChanged, Notice)):
            event = self._masked(event)
            self._write(f"[{_text(event)}]\n")
        if isinstance(event, Notice):
            self.warnings.append(event.text)
        if self._listener is not None:
            self._listener(event)

    def _write(self, text: str) -> None:
        """Write; a file that cannot be written to is told of once, and stops no build."""
        if why := self._file.write(text):
            self.emit(Notice(f"the log ends here, {self.path} cannot be written to: {why}"))

    def line(self, text: str) -> None:
        """Write and tell one line of our own doing (a pull, a push)."""
        masked = self.secrets.mask(text)
        self._write(f"{masked}\n")
        self.emit(Output(f"{masked}\n"))

    def rest(self, seconds: float) -> None:
        """Wait; ends at once where the build is to stop, as :meth:`emit` does."""
        self._stop.rest(seconds)

    def read(self, chunks: Iterable[bytes]) -> str | None:
        """Read a command's output to its end; give what envd said of why it failed."""
        self._run += 1
        splitter, progress = LineSplitter(self.secrets.mask), ProgressReader()
        try:
            for chunk in chunks:
                self._stop.check()
                if chunk:
                    self._take(splitter.feed(chunk), progress)
                else:
                    self.emit(Tick())
        except BaseException:
            self._write(self.secrets.mask(splitter.end()))
            raise
        self._take(splitter.end(), progress)
        return progress.error

    def skipped(self, base: BaseStep, rules: Iterable[Rule]) -> None:
        """Tell the steps of a stage that an earlier build has kept."""
        self._run += 1
        told = [base, *(BaseStep(rule.detail, rule.fields[0]) for rule in rules)]
        for number, (name, field) in enumerate(told, 1):
            self._steps[self._run, number] = Step(name, "cached", field=field)
            self._write(f"[{name}: kept from an earlier build]\n")
            for kind in (StepStarted, StepCached):
                self.emit(kind(number, name, field, self._run))

    def _take(self, text: str, progress: ProgressReader) -> None:
        if not text:
            return
        masked = self.secrets.mask(text)
        self._write(masked)
        if "envd_magic: " in masked:
            self.warnings += _NOTICE.findall(masked)
        for event in progress.read(masked):
            told = event if isinstance(event, Output) else self._note(event)
            if self._listener is not None:
                self._listener(told)

    def _note(self, event: StepEvent) -> StepEvent:
        """Keep a step as it is now, and give the event as people are to read it."""
        key = (self._run, event.number)
        name, field, self._rules[key] = describe(event.name, self.recipe, self.base_step)
        if isinstance(event, StepDone) and self.base_step and is_offered(event.name):
            # It is in the engine already, whatever BuildKit calls that.
            event = StepCached(event.number, event.name)
        seconds = time.monotonic() - self._began.setdefault(key, time.monotonic())
        if isinstance(event, StepStarted):
            self._steps[key] = Step(name, "running", field=field)
        elif isinstance(event, StepCached):
            self._steps[key] = Step(name, "cached", field=field)
        elif isinstance(event, StepDone):
            self._steps[key] = Step(name, "done", event.seconds, field)
        else:
            status = "stopped" if event.cancelled else "failed"
            self._steps[key] = Step(name, status, seconds, field)
        told = dataclasses.replace(event, name=name, field=field, run=self._run)
        if isinstance(told, StepFailed) and not told.cancelled and self.failure is None:
            self.failure = told
        return told

    def forget_failure(self) -> None:
        """Let the command that has failed count for nothing: it is run again."""
        self.failure = None
        self._steps = {key: step for key, step in self._steps.items() if key[0] != self._run}

    def ended(self, recipe: Recipe) -> dict[int, Step]:
        """Give what became of each rule of a recipe in the last of envd's commands, by its place.

        A rule that comes to several steps has the time of all.
        """
        found: dict[int, Step] = {}
        for key, rule in self._rules.items():
            if key[0] != self._run or rule is None or rule not in recipe.rules:
                continue
            step, place = self._steps[key], recipe.rules.index(rule)
            if before := found.get(place):
                ran = before if before.status != "cached" else step
                step = dataclasses.replace(ran, seconds=before.seconds + step.seconds)
            found[place] = step
        return found

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps until now."""
        now = time.monotonic()
        return tuple(
            dataclasses.replace(step, seconds=now - self._began[key])
            if step.status == "running"
            else step
            for key, step in self._steps.items()
        )

    def close(self) -> None:
        """Write what is left."""
        self._file.close()

    def _masked(self, event: PhaseChanged | Notice) -> PhaseChanged | Notice:
        if isinstance(event, Notice):
            return Notice(self.secrets.mask(event.text))
        return dataclasses.replace(event, detail=self.secrets.mask(event.detail))


def _text(event: PhaseChanged | Notice) -> str:
    if isinstance(event, Notice):
        return f"note: {event.text}"
    return f"{event.phase.value}: {event.detail}" if event.detail else event.phase.value

"""Builds of this session: each in the cell that asked for it, or on a thread of its own."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from envd_magic.api import refreshed
from envd_magic.errors import BuildInterrupted
from envd_magic.pipeline.build import build_prepared, prepare
from envd_magic.pipeline.many import AtOnce
from envd_magic.spec.secrets import spec_secrets
from envd_magic.view.cards import result_card, stopped_card
from envd_magic.view.display import NotebookScreen, QuietScreen, Viewer, choose_screen, is_kernel
from envd_magic.view.failed import failure_card
from envd_magic.view.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flytekit import ImageSpec

    from envd_magic.pipeline.options import Options
    from envd_magic.pipeline.prepared import Prepared
    from envd_magic.pipeline.result import BuildResult
    from envd_magic.pipeline.stop import Stop
    from envd_magic.pipeline.together import Together
    from envd_magic.spec.several import Specs
    from envd_magic.view.display import Screen

# Ended builds that a session remembers.
_MOST = 200
_TICK = 0.2
# Seconds that a stopped build gets to end.
_LONG = 10.0
_HINT = "%envd fix N puts number N into a new cell"


@dataclass(frozen=True)
class Origin:
    """Where the specs of a build came from.

    Parameters
    ----------
    line
        What stood behind ``%%envd_build`` or ``%envd build``.
    cell
        The cell's Python; "" if there was none.
    expression
        What ``%envd build`` was given; "" if it was a cell.
    """

    line: str = ""
    cell: str = ""
    expression: str = ""


@dataclass
class Job:
    """A build of one spec or several.

    Parameters
    ----------
    number
        From 1 on, in a session.
    specs
        What is built.
    options
        How; its listener is set for each spec.
    stop
        Stops it from another thread.
    variable
        Name that the specs are bound to, each when it is built.
    most
        How many are built at once.
    """

    number: int
    specs: Specs
    options: Options
    stop: Stop
    variable: str | None = None
    most: int = 1
    viewers: list[Viewer] = field(default_factory=list)
    results: dict[int, BuildResult] = field(default_factory=dict)
    """Of those that have ended, by the number of the spec, in the order of their ends."""
    errors: dict[int, BaseException] = field(default_factory=dict)
    error: BaseException | None = None
    prepared: list[Prepared] = field(default_factory=list)
    origin: Origin = Origin()
    thread: threading.Thread | None = None
    began: float = field(default_factory=time.monotonic)
    seconds: float | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    """Set at the end. An interrupted ``Thread.join`` takes a thread for ended that is not."""

    @property
    def state(self) -> str:
        """One of "running", "done", "failed" and "stopped"."""
        if self.seconds is None:
            return "running"
        if self.error is None:
            return "done"
        return "stopped" if isinstance(self.error, KeyboardInterrupt) else "failed"

    @property
    def failed(self) -> int:
        """Which of the specs the error is of."""
        return next((number for number, one in self.errors.items() if one is self.error), 0)

    @property
    def image(self) -> str:
        """Name of the image that is being built, or was built last."""
        last = next(reversed(self.results.values()), None)
        return last.image if last else self.specs.items[0][1].name

    @property
    def is_several(self) -> bool:
        """Is it of more than one spec?"""
        return len(self.specs.items) > 1

    @property
    def at_once(self) -> int:
        """How many of its builds run at once, at most."""
        return min(self.most, len(self.specs.items))

    def label(self, number: int) -> str | None:
        """What the user calls a spec: ``trainer``, or ``images[0]``."""
        return f"{self.variable}{self.specs.items[number][0]}" if self.variable else None


class Jobs:
    """All builds of a session.

    Parameters
    ----------
    shell
        Where variables are bound and outputs shown.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._jobs: dict[int, Job] = {}
        self._count = 0
        self._binding = threading.Lock()

    def can_start(self) -> bool:
        """Is there a notebook, in which a build on a thread can show itself?"""
        return is_kernel(self._shell)

    def make(
        self, specs: Specs, options: Options, stop: Stop, variable: str | None, most: int = 1
    ) -> Job:
        """Note a build; the oldest ended one is forgotten where there are too many."""
        self._count += 1
        job = Job(self._count, specs, options, stop, variable, most)
        self._jobs[job.number] = job
        ended = [number for number, other in self._jobs.items() if other.state != "running"]
        for number in ended[: max(0, len(self._jobs) - _MOST)]:
            del self._jobs[number]
        return job

    def run(self, job: Job, *, quiet: bool, tail: int) -> None:
        """Build here and now; the job has what goes wrong."""
        hint = "the stop button (■) ends it"
        turns = Turns()
        # An interrupt may come before there is anything to see.
        with _ending(job, last=True):
            for _, spec in job.specs.items:
                screen = choose_screen(self._shell, hint)
                # Made now, so that it is in this cell, or shown in its turn.
                placed = job.is_several and isinstance(screen, NotebookScreen)
                if job.is_several and not placed:
                    screen = turns.take(self._shell, hint)
                viewer = Viewer(
                    QuietScreen(screen) if quiet else screen, tail, spec.name, job.at_once
                )
                job.viewers.append(viewer)
                if placed and not quiet:
                    viewer.show()
            _prepare(job, keep=job.is_several)
            if job.error is None:
                _build(job, self._bind, turns.show)

    def start(self, job: Job, *, quiet: bool, tail: int, screen: Screen | None = None) -> None:
        """Build on a thread, shown on a screen or else in the cell that runs now.

        Files are read before it returns. A spec that is refused starts nothing; the job then has
        ended, and has the error.
        """
        hint = f"%envd cancel {job.number} ends it"
        with _ending(job, last=False):
            for _, spec in job.specs.items:
                shown = screen or NotebookScreen(self._shell, hint)
                viewer = Viewer(shown, tail, spec.name, job.at_once)
                # Made now, so that it is in this cell.
                viewer.show()
                if quiet:
                    viewer.screen = QuietScreen(shown)
                job.viewers.append(viewer)
            _prepare(job, keep=True)
        if job.error is not None:
            return
        job.thread = threading.Thread(
            target=_build, args=(job, self._bind), name=f"envd_magic-{job.number}", daemon=True
        )
        job.thread.start()

    def _bind(self, job: Job) -> None:
        """Bind what is built of a job, so that what its cards say of it is true."""
        if job.variable is not None:
            with self._binding:
                built = job.results.keys() - job.errors.keys()
                self._shell.user_ns[job.variable] = job.specs.only(built)

    def cancel(self, job: Job) -> None:
        """Stop a build, and wait until it has."""
        job.stop.ask()
        job.ended.wait(_LONG)

    def all(self) -> list[Job]:
        """All that are remembered, the oldest first."""
        return list(self._jobs.values())

    def running(self) -> list[Job]:
        """Those on threads that have not ended."""
        return [job for job in self.all() if job.state == "running"]

    def get(self, number: int) -> Job:
        """Give one by its number.

        Raises
        ------
        UsageError
            If there is none.
        """
        if number not in self._jobs:
            there = ", ".join(map(str, self._jobs)) or "none yet"
            raise UsageError(f"%envd: there is no build {number}; there is: {there}")
        return self._jobs[number]

    def wait(self, jobs: list[Job]) -> None:
        """Wait for builds to end, and show them; an interrupt ends that, not the builds."""
        with ExitStack() as stack:
            for job in jobs:
                self._follow(job, stack)
            for job in jobs:
                while not job.ended.wait(_TICK):
                    pass

    def _follow(self, job: Job, stack: ExitStack) -> None:
        """Show a build in the cell that runs now, until the end of the stack."""
        hint = f"the stop button (■) ends the waiting, %envd cancel {job.number} the build"
        after = f"%envd wait {job.number} shows it on, %envd cancel {job.number} ends it"
        for viewer in job.viewers:
            if job.state != "running" and not viewer.finished:
                # It waited for one that failed, and has nothing to show.
                continue
            if is_kernel(self._shell):
                screen: Screen = NotebookScreen(self._shell, hint)
            else:
                screen = choose_screen(self._shell, hint)
            # In this order: an interrupt may come between the two.
            stack.callback(viewer.leave, screen, after)
            viewer.join(screen)

    def end(self) -> None:
        """Stop all that run, and wait until they have."""
        running = self.running()
        for job in running:
            job.stop.ask()
        for job in running:
            job.ended.wait(_LONG)
            if job.thread is not None:
                job.thread.join(1)


def _prepare(job: Job, *, keep: bool) -> None:
    """Look at all specs and their files, before the first is built.

    Parameters
    ----------
    job
        Has ended after this if a spec is refused.
    keep
        True copies the files too: they may be changed before their build comes to them.
    """
    with _ending(job, last=False):
        for number, (_, spec) in enumerate(job.specs.items):
            with _failure_shown(job, number):
                job.prepared.append(prepare(refreshed(spec)))
                if keep:
                    job.prepared[number].keep_files()


def _build(job: Job, bind: Callable[[Job], None], tick: Callable[[], None] | None = None) -> None:
    """Build all specs of a job, and show each end."""
    with _ending(job, last=True):
        if not job.is_several:
            _build_one(job, bind, 0)
            return
        tick = tick or (lambda: None)
        pool = AtOnce(job.most, partial(_build_next, job, bind), job.stop.ask)
        try:
            pool.run(range(len(job.prepared)), tick=tick)
        except KeyboardInterrupt:
            _raise_first(job)
            raise
        finally:
            tick()
        _raise_first(job)


def _build_one(
    job: Job, bind: Callable[[Job], None], number: int, together: Together | None = None
) -> None:
    viewer = job.viewers[number]
    options = replace(job.options, listener=viewer, together=together)
    with _failure_shown(job, number):
        result = build_prepared(job.prepared[number], options)
    job.results[number] = result
    bind(job)
    viewer.finish(result_card(result, job.label(number)))


def _build_next(job: Job, bind: Callable[[Job], None], number: int, together: Together) -> None:
    """Build one of several; after a failure no further one is begun."""
    if job.errors or job.stop.asked:
        return
    try:
        _build_one(job, bind, number, together)
    except BaseException as error:  # noqa: BLE001 - raised when all have ended
        job.errors[number] = error


def _raise_first(job: Job) -> None:
    """Raise what went wrong, the wish to stop before all else."""
    errors = [job.errors[number] for number in sorted(job.errors)]
    for error in sorted(errors, key=lambda one: not isinstance(one, KeyboardInterrupt)):
        raise error
    if job.stop.asked and len(job.results) < len(job.prepared):
        raise BuildInterrupted("The builds were stopped")


@contextmanager
def _ending(job: Job, *, last: bool) -> Iterator[None]:
    """Keep what goes wrong, and note the job's end if that or the last part of it is inside."""
    try:
        yield
    except BaseException as error:  # noqa: BLE001 - kept for whoever waits, and raised there
        job.error = error
        # What still waits is seen to wait only where all have a place from the start.
        for viewer, (_, spec) in zip(job.viewers, job.specs.items, strict=False):
            if viewer.shown and not viewer.finished:
                viewer.finish(stopped_card(None, spec.name))
    finally:
        if last or job.error is not None:
            for prepared in job.prepared:
                prepared.close()
            job.seconds = time.monotonic() - job.began
            job.ended.set()


@contextmanager
def _failure_shown(job: Job, number: int) -> Iterator[None]:
    """Show what goes wrong with a spec, and let it pass."""
    viewer, spec = job.viewers[number], job.specs.items[number][1]
    try:
        yield
    except BaseException as error:
        job.errors[number] = error
        ended = viewer.state.result
        if ended is not None and ended.status in ("built", "exists"):
            ended = None  # a base spec's
        if ended is not None:
            job.results[number] = ended
        if isinstance(error, KeyboardInterrupt):
            viewer.finish(stopped_card(ended, spec.name))
        else:
            known = number < len(job.prepared)
            secrets = job.prepared[number].secrets if known else spec_secrets(spec)
            card = failure_card(error, spec, secrets, ended)
            hint = _HINT if any(one.diff for one in card.helps) else ""
            notes = (*card.notes, *_offer(error, spec))
            viewer.finish(replace(card, notes=notes, hint=hint))
        raise


def _offer(error: BaseException, spec: ImageSpec) -> tuple[str, ...]:
    """Where nothing can be built, say which recording shows a build."""
    from pathlib import Path

    from envd_magic.errors import EngineError, EnvdNotFoundError
    from envd_magic.records.recording import offered

    # Its subclasses come from an engine that is there.
    if type(error) not in (EngineError, EnvdNotFoundError):
        return ()
    text = offered(spec.name, Path.cwd())
    return (text,) if text else ()

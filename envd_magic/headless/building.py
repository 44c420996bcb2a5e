"""Several images built at once, each by the pipeline that the magics use."""

from __future__ import annotations

import re
import threading
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError, FileError
from envd_magic.headless.find import inside
from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.stop import Stop
from envd_magic.shell import interrupts_raise
from envd_magic.spec.secrets import spec_secrets
from envd_magic.spec.tag import image_name
from envd_magic.view.cards import failure_card, result_card, stopped_card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from flytekit import ImageSpec

    from envd_magic.headless.find import Definition, Source
    from envd_magic.headless.progress import Progress
    from envd_magic.pipeline.events import Event
    from envd_magic.pipeline.options import Options
    from envd_magic.pipeline.result import BuildResult
    from envd_magic.view.cards import Card

_TICK = 0.2
ENDED_WELL = ("built", "exists")


@dataclass
class Task:
    """An image to build.

    Parameters
    ----------
    name
        What it is called where it is defined.
    spec
        What to build.
    definitions
        All that define it, each with the number of the image in it.
    """

    name: str
    spec: ImageSpec
    definitions: list[tuple[Definition, int]]
    result: BuildResult | None = None
    card: Card | None = None
    stop: Stop = field(default_factory=Stop)

    @property
    def path(self) -> Path:
        """The file that defines it first."""
        return self.definitions[0][0].path


def tasks_of(sources: Iterable[Source]) -> list[list[Task]]:
    """Give what is to be built, a list for each folder; the same image of a folder once."""
    folders: dict[Path, dict[str, Task]] = {}
    for source in sources:
        tasks = folders.setdefault(source.path.resolve().parent, {})
        with inside(source.path):
            for definition in source.definitions:
                if definition.is_preview:
                    continue
                for number, (name, spec) in enumerate(definition.images()):
                    task = tasks.setdefault(image_name(spec), Task(name, spec, []))
                    task.definitions.append((definition, number))
    return [list(tasks.values()) for tasks in folders.values() if tasks]


def build_all(
    groups: Sequence[list[Task]],
    options: Options,
    jobs: int,
    progress: Progress,
    ended: Callable[[Task], None],
) -> None:
    """Build all, and go on where one fails.

    Paths in specs are meant from the folder that defines them, and a process works in one folder:
    so folders are built one after another, and the images of each at once.

    Parameters
    ----------
    groups
        What to build, by folders.
    options
        How; listener and stop are each task's own.
    jobs
        How many at once.
    progress
        Where it is shown.
    ended
        Is told of each end.

    Raises
    ------
    KeyboardInterrupt
        If the user stopped it; all that ran have ended then.
    """
    # flytekit has a handler that exits.
    with interrupts_raise():
        # Where a relative path of a later folder is meant from.
        folders = [tasks[0].path.resolve() for tasks in groups]
        for tasks, folder in zip(groups, folders, strict=True):
            with inside(folder):
                _build_group(tasks, options, jobs, progress, ended)


def _build_group(
    tasks: list[Task],
    options: Options,
    jobs: int,
    progress: Progress,
    ended: Callable[[Task], None],
) -> None:
    waiting: dict[Future[None], Task] = {}
    with ThreadPoolExecutor(jobs, thread_name_prefix="envd_magic") as pool:
        try:
            for task in tasks:
                waiting[pool.submit(_build, task, options, progress.listener(task))] = task
            while waiting:
                done, _ = wait(waiting, _TICK, FIRST_COMPLETED)
                for future in done:
                    task = waiting.pop(future)
                    future.result()
                    progress.finished(task)
                    ended(task)
                progress.tick()
        except BaseException:
            for future, task in waiting.items():
                future.cancel()
                task.stop.ask()
            wait(waiting)
            for task in waiting.values():
                if task.card is not None:
                    progress.finished(task)
            raise


def _build(task: Task, options: Options, listener: Callable[[Event], None]) -> None:
    """Build one image and keep what came of it."""
    seen: list[BuildResult] = []

    def listen(event: Event) -> None:
        from envd_magic.pipeline.events import Finished

        if isinstance(event, Finished):
            seen.append(event.result)
        listener(event)

    try:
        task.stop.check()
        one = replace(
            options,
            listener=listen,
            stop=task.stop,
            force=options.force or task.spec._is_force_push,  # noqa: SLF001
            pickled=task.definitions[0][0].cell is not None,
        )
        task.result = build_spec(task.spec, one)
        task.card = result_card(task.result)
    except KeyboardInterrupt:
        task.card = stopped_card(seen[-1] if seen else None, task.spec.name)
    except Exception as error:  # noqa: BLE001 - the others are built all the same
        # The last one told of may be a base spec's, which was built.
        own = seen[-1] if seen and seen[-1].status not in ENDED_WELL else None
        task.result = own
        task.card = failure_card(error, task.spec, spec_secrets(task.spec), own)


class Recorder:
    """Writes what came of builds into the notebooks that define them.

    Parameters
    ----------
    tell
        Is told what cannot be recorded.
    """

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._records: dict[int, dict[int, dict[str, object]]] = {}
        self._paths: dict[int, Path] = {}
        self._lock = threading.Lock()
        self.failed = False

    def expect(self, groups: Iterable[list[Task]]) -> None:
        """Note where the notebooks are: builds work in other folders."""
        for tasks in groups:
            for task in tasks:
                for definition, _ in task.definitions:
                    self._paths[id(definition)] = definition.path.resolve()

    def ended(self, task: Task) -> None:
        """Record the end of a build, once all images of the cell have ended."""
        from envd_magic.records.cell import make_record, write_record

        if task.result is None or task.card is None or task.card.state == "stopped":
            return
        for definition, number in task.definitions:
            if definition.cell is None:
                continue
            records = self._records.setdefault(id(definition), {})
            records[number] = make_record(task.spec, task.result, _envd_version())
            if len(records) < len(definition.images()):
                continue
            ordered = [records[one] for one in sorted(records)]
            several = definition.specs is not None and definition.specs.keys is not None
            cell = (definition.cell, definition.id, definition.source)
            try:
                write_record(self._paths[id(definition)], cell, ordered if several else ordered[0])
            except FileError as error:
                self.failed = True
                self._tell(f"error: {error}")


def recordings_saver(
    target: Path | None, count: int, *, keep: bool = True
) -> Callable[[Task], None]:
    """Give what saves the recording of a build where the user wants it.

    Parameters
    ----------
    target
        File or folder; None saves nothing.
    count
        How many images are built.
    keep
        Does it stay among the last ones as well?

    Raises
    ------
    FileError
        If it is a file, and there are several builds.
    """
    if target is None:
        return lambda _task: None
    if count > 1 and not target.is_dir():
        raise FileError(
            f"--record {target}: {count} images are built, and a recording is of one; name a "
            "folder that is there"
        )
    place = target.resolve()

    def save(task: Task) -> None:
        from envd_magic.pipeline.keep import kept_recording
        from envd_magic.records.recording import copy_recording

        source = kept_recording(task.result.log_file) if task.result else None
        if source is not None and source.is_file():
            name = re.sub(r"[^A-Za-z0-9._-]+", "_", task.name)
            copy_recording(source, place / f"{name}.jsonl.gz" if place.is_dir() else place)
            if not keep:
                source.unlink()

    return save


def _envd_version() -> str:
    from envd_magic.envd.program import find_envd

    try:
        return str(find_envd().version)
    except EnvdMagicError:
        return ""

"""Several images built at once, each by the pipeline that the magics use."""

from __future__ import annotations

import threading
from argparse import Namespace
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from envd_magic.errors import EnvdMagicError
from envd_magic.freeze.imports import imported
from envd_magic.headless.find import inside, known_settings, sources_of
from envd_magic.interactive.choose import build_options
from envd_magic.interactive.settings import project_settings
from envd_magic.pipeline.build import build_prepared, prepare
from envd_magic.pipeline.many import AtOnce
from envd_magic.pipeline.options import CACHES
from envd_magic.pipeline.stop import Stop
from envd_magic.shell import interrupts_raise
from envd_magic.spec.secrets import spec_secrets
from envd_magic.spec.tag import image_name
from envd_magic.view.cards import result_card, stopped_card
from envd_magic.view.failed import failure_card

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flytekit import ImageSpec

    from envd_magic.headless.find import Definition, Source
    from envd_magic.headless.progress import Progress
    from envd_magic.pipeline.events import Event
    from envd_magic.pipeline.options import Options
    from envd_magic.pipeline.result import BuildResult
    from envd_magic.pipeline.together import Together
    from envd_magic.spec.secrets import Secrets
    from envd_magic.view.cards import Card

# Fields whose paths, if any, are meant from the folder of the file.
_PATHS = (
    "copy",
    "pip_extra_args",
    "pip_secret_mounts",
    "registry_config",
    "requirements",
    "source_root",
)
# A process works in one folder at a time.
_IN_FOLDER = threading.Lock()
# What a place says that has no options.
_NOTHING = Namespace(context=None, push=None, force=False, no_cache=False, verify=False)
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
    folder
        Where paths in the spec are meant from.
    options
        How to build it.
    record
        Is a recording asked for, whether one is kept or not?
    definitions
        All that define it, each with the number of the image in it.
    """

    name: str
    spec: ImageSpec
    folder: Path
    options: Options
    record: bool = False
    definitions: list[tuple[Definition, int]] = field(default_factory=list)
    result: BuildResult | None = None
    card: Card | None = None
    stop: Stop = field(default_factory=Stop)

    @property
    def path(self) -> Path:
        """The file that defines it first."""
        return self.definitions[0][0].path


def tasks_of(sources: Iterable[Source], asked: Namespace) -> list[Task]:
    """Give what is to be built; an image that several places define alike is built once.

    Parameters
    ----------
    sources
        The files.
    asked
        Options of the command: each counts before that of a cell, which counts before a setting.

    Raises
    ------
    EnvdMagicError
        If a setting is none.
    """
    tasks: dict[object, Task] = {}
    for source in sources:
        folder = source.folder
        with inside(folder):
            for definition in source.definitions:
                # Why something is not known is told elsewhere, and its settings may not be either.
                if definition.is_preview or definition.specs is None:
                    continue
                options = _options(definition, asked)
                for number, (name, spec) in enumerate(definition.images()):
                    # Paths mean other files in another folder.
                    own = folder if _names_files(spec) else None
                    key = (image_name(spec), spec, own, options.context, options.push)
                    task = tasks.setdefault(key, Task(name, spec, folder, options, asked.record))
                    task.definitions.append((definition, number))
    return list(tasks.values())


def _first(asked: str | None, own: str | None) -> str | None:
    return own if asked is None else asked


def _options(definition: Definition, asked: Namespace) -> Options:
    own = definition.options or _NOTHING
    push = own.push if asked.push is None else asked.push
    context, force = asked.context or own.context, asked.force or own.force
    try:
        settings = project_settings(known_settings(definition))
        merged = Namespace(
            context=context,
            push=push,
            force=force,
            no_cache=asked.no_cache or own.no_cache,
            verify=asked.verify or own.verify,
            **{
                name: _first(getattr(asked, name, None), getattr(own, name, None))
                for name in CACHES
            },
            # A clean build, unless the command line itself says otherwise.
            incremental=asked.incremental,
        )
        options = build_options(merged, settings, Stop())
        modules = imported(sources_of(Path(definition.path.name))) if options.verify else ()
        return replace(options, pickled=definition.cell is not None, modules=frozenset(modules))
    except UsageError as error:
        raise EnvdMagicError(str(error)) from error


def unasked(context: str | None) -> Namespace:
    """Give the options of a command that asks for nothing but a context."""
    return Namespace(**{**vars(_NOTHING), "context": context, "incremental": None, "record": False})


def context_of(definition: Definition, asked: str | None) -> str | None:
    """Give the envd context that a build of a definition takes; what is asked for counts first.

    Raises
    ------
    EnvdMagicError
        If a setting is none.
    """
    return _options(definition, unasked(asked)).context


def _names_files(spec: ImageSpec) -> bool:
    base = spec.base_image
    own = any(getattr(spec, name) for name in _PATHS)
    return own or (hasattr(base, "base_image") and _names_files(base))


def build_all(
    tasks: Sequence[Task], jobs: int, progress: Progress, ended: Callable[[Task], None]
) -> None:
    """Build all, several at once, and go on where one fails.

    Parameters
    ----------
    tasks
        What to build.
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
    listeners = {id(task): progress.listener(task) for task in tasks}

    def stop() -> None:
        for task in tasks:
            task.stop.ask()

    def done(task: Task) -> None:
        progress.finished(task)
        ended(task)

    def build(task: Task, together: Together) -> None:
        _build(task, listeners[id(task)], together)

    pool: AtOnce[Task] = AtOnce(jobs, build, stop)
    # flytekit has a handler that exits.
    with interrupts_raise():
        pool.run(tasks, done, progress.tick)


def _build(task: Task, listener: Callable[[Event], None], together: Together) -> None:
    """Build one image and keep what came of it."""
    seen: list[BuildResult] = []
    secrets: Secrets | None = None

    def listen(event: Event) -> None:
        from envd_magic.pipeline.events import Finished

        if isinstance(event, Finished):
            seen.append(event.result)
        listener(event)

    try:
        task.stop.check()
        force = task.options.force or task.spec._is_force_push  # noqa: SLF001
        options = replace(
            task.options,
            listener=listen,
            stop=task.stop,
            force=force,
            recordings=task.options.recordings or task.record,
            together=together,
        )
        with _IN_FOLDER, inside(task.folder):
            prepared = prepare(task.spec)
            # Files that are secret are found from there alone.
            secrets = prepared.secrets
        with closing(prepared):
            task.result = build_prepared(prepared, options)
        task.card = result_card(task.result)
    except KeyboardInterrupt:
        task.card = stopped_card(seen[-1] if seen else None, task.spec.name)
    except Exception as error:  # noqa: BLE001 - the others are built all the same
        # The last one told of may be a base spec's, which was built.
        own = seen[-1] if seen and seen[-1].status not in ENDED_WELL else None
        task.result = own
        task.card = failure_card(error, task.spec, secrets or spec_secrets(task.spec), own)

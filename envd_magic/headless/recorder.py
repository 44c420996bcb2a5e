"""What stays of builds where their user wants it: records in notebooks, recordings as files."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from envd_magic.errors import EnvdMagicError, FileError
from envd_magic.pipeline.events import Phase
from envd_magic.pipeline.flight import alone
from envd_magic.records.cell import as_list, make_record, paired, write_record
from envd_magic.records.recording import copy_recording, file_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from envd_magic.headless.building import Task
    from envd_magic.headless.find import Definition

# Seconds between two looks at another command that writes into the same file.
_MOMENT = 0.01


@dataclass
class _Cell:
    """A cell that builds images.

    Parameters
    ----------
    path
        The notebook.
    tasks
        Its images, each with the place that defines it, in their order.
    """

    path: Path
    tasks: list[tuple[Definition, int, Task]] = field(default_factory=list)

    @property
    def is_of_one(self) -> bool:
        """Does it build one image, and not a list that happens to have one?"""
        specs = self.tasks[0][0].specs
        return len(self.tasks) == 1 and specs is not None and specs.keys is None


class Recorder:
    """Writes what came of builds into the notebooks that define them.

    Parameters
    ----------
    tasks
        All that are built.
    tell
        Is told what cannot be recorded.
    """

    def __init__(self, tasks: Iterable[Task], tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._cells = _cells(tasks)
        self._records: dict[int, dict[str, object]] = {}
        self.failed = False

    def ended(self, task: Task) -> None:
        """Record the end of a build, once all images of the cell have ended."""
        result = task.result
        if result is None or task.card is None or task.card.state == "stopped":
            return
        if result.status == "failed" and result.stage == Phase.PREPARE.value:
            # Nothing has run: there is no engine, no envd, no such context.
            return
        self._records[id(task)] = make_record(task.spec, result, _envd_version())
        for cell in list(self._cells):
            own = [id(one) for _, _, one in cell.tasks]
            if id(task) in own and all(one in self._records for one in own):
                self._write(cell)

    def close(self) -> None:
        """Record what has ended in cells of which not all images have."""
        for cell in list(self._cells):
            if any(id(task) in self._records for _, _, task in cell.tasks):
                self._write(cell)

    def _write(self, cell: _Cell) -> None:
        self._cells.remove(cell)
        place = cell.tasks[0][0]
        # What was stopped keeps the record of its last build.
        before = paired(as_list(place.record), [task.spec for _, _, task in cell.tasks])
        found = [
            self._records.get(id(task), old)
            for (_, _, task), old in zip(cell.tasks, before, strict=True)
        ]
        records = [one for one in found if one is not None]
        try:
            # Of commands that record in the same file at once, none overwrites what another wrote.
            with alone(f"record {cell.path}", lambda: time.sleep(_MOMENT)):
                write_record(
                    cell.path,
                    (place.cell or 0, place.id, place.source),
                    records[0] if cell.is_of_one else records,
                )
        except EnvdMagicError as error:
            self.failed = True
            self._tell(f"error: {error}")


def _cells(tasks: Iterable[Task]) -> list[_Cell]:
    """Give the cells that build something, each with its images in order."""
    found: dict[tuple[Path, int], _Cell] = {}
    for task in tasks:
        for definition, number in task.definitions:
            if definition.cell is not None:
                path = definition.path.resolve()
                cell = found.setdefault((path, definition.cell), _Cell(path))
                cell.tasks.append((definition, number, task))
    for cell in found.values():
        cell.tasks.sort(key=lambda one: (one[0].magic_line, one[1]))
    return list(found.values())


def recordings_saver(target: Path | None, tasks: Sequence[Task]) -> Callable[[Task], None]:
    """Give what saves the recording of a build where the user wants it.

    Parameters
    ----------
    target
        File or folder; None saves nothing.
    tasks
        All that are built.

    Raises
    ------
    FileError
        If it is a file, and there are several builds; or in a folder that is not there.
    """
    if target is None:
        return lambda _task: None
    if not target.resolve().parent.is_dir():
        raise FileError(f"--record {target}: there is no folder {target.resolve().parent}")
    if len(tasks) > 1 and not target.is_dir():
        raise FileError(
            f"--record {target}: {len(tasks)} images are built, and a recording is of one; name a "
            "folder that is there"
        )
    place = target.resolve()
    names = dict(zip(map(id, tasks), file_names(task.name for task in tasks), strict=True))

    def save(task: Task) -> None:
        from envd_magic.pipeline.keep import kept_recording

        source = kept_recording(task.result.log_file) if task.result else None
        if source is not None and source.is_file():
            copy_recording(source, place / names[id(task)] if place.is_dir() else place)
            if not task.options.recordings:
                source.unlink()

    return save


def _envd_version() -> str:
    from envd_magic.envd.program import find_envd

    try:
        return str(find_envd().version)
    except EnvdMagicError:
        return ""

"""What the builds of all images that files define need, examined at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.doctor.examine import examine
from envd_magic.doctor.subject import Subject
from envd_magic.headless.building import tasks_of, unasked
from envd_magic.headless.check import before_building

if TYPE_CHECKING:
    from collections.abc import Sequence

    from envd_magic.doctor.finding import Finding
    from envd_magic.headless.check import Finding as Mistake
    from envd_magic.headless.find import Source


def examined(sources: Sequence[Source], context: str | None) -> tuple[list[Finding], list[Mistake]]:
    """Give what was found, and what is wrong with the files themselves.

    Parameters
    ----------
    sources
        The files; without any, flytekit's default image is what counts.
    context
        Name of the envd context; None takes that of each cell.

    Raises
    ------
    FileError
        If a file cannot be read.
    """
    for source in sources:
        if source.error is not None:
            raise source.error
    mistakes = [one for source in sources for one in before_building(source)]
    tasks = tasks_of(sources, unasked(context))
    subjects = [Subject(task.spec, task.options.context, task.folder) for task in tasks]
    return examine(subjects or [Subject(context=context)]), mistakes

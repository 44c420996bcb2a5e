"""Fields of which no file or record tells whether they were honoured; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from envd_magic.recipe.marks import field_of
from envd_magic.verification.result import DIFFERS, OK, UNCHECKED, Item

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flytekit import ImageSpec

    from envd_magic.verification.layers import Entry

_CONDA = "conda keeps records of its own, which are not read; what is imported is checked"
_CUDA = "where its libraries are is not known; a machine with a GPU tells"


def step_items(spec: ImageSpec, history: Sequence[Entry]) -> Iterator[Item]:
    """Tell what is known of the steps of a build that leave no record."""
    for item in spec.conda_packages or ():
        yield Item("conda_packages", item, "installed", "", UNCHECKED, _CONDA)
    for name in ("cuda", "cudnn"):
        if asked := getattr(spec, name):
            yield Item(name, "", asked, "", UNCHECKED, _CUDA)
    yield from _commands(spec, history)


def _commands(spec: ImageSpec, history: Sequence[Entry]) -> Iterator[Item]:
    """Look for the commands in the history: a step that fails ends the build."""
    if not spec.commands:
        return
    scripts = [one.made_by for one in history if field_of(one.made_by) == "commands"]
    for command in spec.commands:
        asked = "it has run"
        if any(command in script for script in scripts):
            yield Item("commands", command, asked, "the history has it", OK)
        elif scripts:
            yield Item("commands", command, asked, "the history has other commands", DIFFERS)
        else:
            why = "the image's history does not tell"
            yield Item("commands", command, asked, "", UNCHECKED, why)

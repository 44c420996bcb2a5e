"""What a user should know before a build whose image is to run tasks from a notebook.

flytekit pickles the tasks of a notebook (cloudpickle): what one minor version of Python wrote,
another does not read, and a task cannot start without flytekit at all.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from typing import TYPE_CHECKING

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import Version

from envd_magic.recipe.compose import needs_python

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.engine.containers import PythonOf
    from envd_magic.spec.requirements import Requirements


def advice(spec: ImageSpec, requirements: Requirements, base: PythonOf | None) -> Iterator[str]:
    """Give what is likely to fail when a task starts, as sentences.

    Parameters
    ----------
    spec
        A spec that passed validation.
    requirements
        What its requirements file says.
    base
        What the base image has; None if that is not known.
    """
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = spec.python_version or (here if spec.conda_packages else None)
    python = ".".join(own.split(".")[:2]) if own else base.python if base else None
    if python is not None and "." in python and python != here:
        what = "python_version" if spec.python_version else "base_image"
        yield (
            f"{what}: the image has Python {python} and this kernel {here}: tasks of a notebook "
            f"are pickled, and do not load there; take Python {here}"
        )
    new = needs_python(spec, base.version if base else None)
    brings = _brings_flytekit(spec, requirements)
    yield from _flytekit(spec, base, of_its_own=new or brings)


def _flytekit(spec: ImageSpec, base: PythonOf | None, *, of_its_own: bool) -> Iterator[str]:
    here = importlib.metadata.version("flytekit")
    for item in (*(spec.packages or ()), *(spec.conda_packages or ())):
        if (pinned := _pinned(item)) is not None and pinned != _minor(here):
            yield (
                f"packages[{item!r}]: this kernel has flytekit {here}, and tasks of a notebook are "
                f"pickled with it; flytekit=={here} is safe"
            )
            return
    if base is None or of_its_own:
        # For a new environment the spec's own checks warn.
        return
    if base.flytekit is None:
        yield (
            "packages: neither the packages nor the base image have flytekit: no task can start in "
            f"the image; add flytekit=={here}, unless it is for something else"
        )
    elif _minor(base.flytekit) != _minor(here):
        yield (
            f"base_image: it has flytekit {base.flytekit} and this kernel {here}: tasks of a "
            f"notebook are pickled with that; add flytekit=={here} to packages"
        )


def _minor(version: str) -> tuple[int, ...]:
    return Version(version).release[:2]


def _pinned(item: str) -> tuple[int, ...] | None:
    """Give the minor version of flytekit that an item asks for, () for one that nobody knows."""
    try:
        asked = Requirement(item)
    except InvalidRequirement:
        return None
    if asked.name.lower() != "flytekit" or (asked.marker and not asked.marker.evaluate()):
        return None
    here = importlib.metadata.version("flytekit")
    if not asked.specifier or asked.specifier.contains(here, prereleases=True):
        return _minor(here)
    for one in asked.specifier:
        if one.operator == "==" and "*" not in one.version:
            return _minor(one.version)
    return ()


def _brings_flytekit(spec: ImageSpec, requirements: Requirements) -> bool:
    """Do the packages have flytekit among them, by whatever way of naming it, or its plug-ins?"""
    items = [*(spec.packages or ()), *(spec.conda_packages or ()), *(spec.commands or ())]
    items += requirements.files.values()
    # flytekitplugins-…, union and unionai bring it along.
    return any(re.search(r"flytekit|\bunion(ai)?\b", item, re.IGNORECASE) for item in items)

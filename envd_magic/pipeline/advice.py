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

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

    from envd_magic.engine.containers import PythonOf


def advice(spec: ImageSpec, base: PythonOf | None) -> Iterator[str]:
    """Give what is likely to fail when a task starts, as sentences.

    Parameters
    ----------
    spec
        A spec that passed validation.
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
    yield from _flytekit(spec, base, new=own is not None)


def _flytekit(spec: ImageSpec, base: PythonOf | None, *, new: bool) -> Iterator[str]:
    here = importlib.metadata.version("flytekit")
    asked = _asked(spec)
    if asked is not None:
        if asked.specifier and not asked.specifier.contains(here, prereleases=True):
            yield (
                f"packages[{str(asked)!r}]: this kernel has flytekit {here}: tasks of a notebook "
                f"are pickled with it; flytekit=={here} is safe"
            )
        return
    if spec.requirements or new or base is None:
        # A requirements file may have it in ways that only an installer knows; for a new
        # environment the spec's own checks warn.
        return
    if base.flytekit is None:
        yield (
            "packages: neither the packages nor the base image have flytekit: no task can start in "
            f"the image; add flytekit=={here}, unless it is for something else"
        )
    elif Version(base.flytekit).release[:2] != Version(here).release[:2]:
        yield (
            f"base_image: it has flytekit {base.flytekit} and this kernel {here}: tasks of a "
            f"notebook are pickled with that; add flytekit=={here} to packages"
        )


def _asked(spec: ImageSpec) -> Requirement | None:
    for item in (*(spec.packages or ()), *(spec.conda_packages or ())):
        if re.match(r"flytekit\b(?![-_.])", item.strip(), re.IGNORECASE):
            try:
                return Requirement(item)
            except InvalidRequirement:
                return Requirement("flytekit")
    return None

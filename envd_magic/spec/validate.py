"""Is an ImageSpec one that can be built? The table's checks, and what spans several fields."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from envd_magic.errors import SpecError
from envd_magic.spec.fields import FIELDS
from envd_magic.spec.problems import Problem
from envd_magic.spec.secrets import has_login, urls_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flytekit import ImageSpec

_FOR_INSTALLER = ("pip_index", "pip_extra_index_url", "pip_extra_args", "pip_secret_mounts")


def problems_of(spec: ImageSpec) -> list[Problem]:
    """All that is wrong with a spec, the fatal first, then the warnings.

    The spec's base, if it is a spec, is looked at as well.
    """
    found = [
        problem
        for field in FIELDS
        if (value := getattr(spec, field.name)) is not None
        for problem in field.check(field.name, value)
    ]
    found += _together(spec)
    if hasattr(spec.base_image, "image_name"):
        found += [
            Problem(f"base_image.{inner.field}", inner.message, inner.item, inner.fatal)
            for inner in problems_of(spec.base_image)
        ]
    return sorted(found, key=lambda problem: not problem.fatal)


def validate(spec: ImageSpec) -> tuple[Problem, ...]:
    """Refuse a spec that cannot be honoured.

    Returns
    -------
    tuple of Problem
        The warnings.

    Raises
    ------
    SpecError
        If anything in it cannot be honoured; it names every such field.
    """
    found = problems_of(spec)
    if fatal := [problem for problem in found if problem.fatal]:
        raise SpecError(*fatal)
    return tuple(found)


def _together(spec: ImageSpec) -> Iterator[Problem]:
    yield from _refused(spec)
    yield from _warned(spec)
    if not (spec.packages or spec.requirements):
        message = "no packages and no requirements: nothing would read it"
        for name in _FOR_INSTALLER:
            if getattr(spec, name):
                yield Problem(name, message, fatal=False)
    if isinstance(spec.pip_extra_args, str):
        yield from _extra_args(spec.pip_extra_args)
    if spec.registry and not isinstance(spec.registry, str):
        yield Problem("registry", "expected text")


def _refused(spec: ImageSpec) -> Iterator[Problem]:
    if spec.python_exec:
        yield Problem("python_exec", "python_exec is not supported with the envd image builder")
    if (spec.cuda or spec.cudnn) and spec.python_version is None:
        yield Problem(
            "python_version",
            "python_version is required when cuda and cudnn are specified",
        )
    if spec.cudnn and not spec.cuda:
        yield Problem("cudnn", "needs cuda; set the CUDA version too")
    if spec.cuda and spec.base_image is not None:
        yield Problem(
            "base_image",
            "envd puts a CUDA image in its place when cuda is set; leave base_image out, or take "
            "an nvidia/cuda image as base_image and leave cuda and cudnn out",
        )
    mode = getattr(spec.source_copy_mode, "name", None)
    if spec.source_copy_mode is not None and mode is None:
        yield Problem(
            "source_copy_mode",
            f"expected a flytekit CopyFileDetection, got {spec.source_copy_mode!r}",
        )
    if mode not in (None, "NO_COPY") and not spec.source_root:
        yield Problem("source_root", "must be set when source_copy_mode asks for copies")


def _extra_args(value: str) -> Iterator[Problem]:
    try:
        words = shlex.split(value)
    except ValueError as error:
        yield Problem("pip_extra_args", f"{value!r} cannot be split into arguments: {error}")
        return
    if words and not words[0].startswith("-"):
        yield Problem("pip_extra_args", "expected options; packages go into `packages`", words[0])
    for word in words:
        if word.startswith(("-r", "-e", "--requirement", "--editable")):
            yield Problem("pip_extra_args", "files go into `requirements`", word)


def _warned(spec: ImageSpec) -> Iterator[Problem]:
    if isinstance(spec.builder_config, dict):
        for name in spec.builder_config:
            yield Problem(
                "builder_config",
                "is for flytekit's default builder; envd has no use for it",
                str(name),
                fatal=False,
            )
    if spec.builder not in (None, "envd"):
        yield Problem(
            "builder", f"{spec.builder!r} is asked for, but envd builds it here", fatal=False
        )
    if spec.conda_channels and not spec.conda_packages:
        yield Problem("conda_channels", "no conda_packages: nothing is taken from it", fatal=False)
    if spec.python_version and not _names(spec, "flytekit"):
        yield Problem(
            "python_version",
            "gives a new environment without what the base image has installed, unless that is "
            "its own version; add flytekit to packages if the image is to run tasks",
            fatal=False,
        )
    if spec.conda_packages and not spec.python_version:
        yield Problem(
            "conda_packages",
            "need an environment of their own: it gets this interpreter's version of Python; "
            "python_version chooses another",
            fatal=False,
        )
    env: dict[Any, Any] = spec.env if isinstance(spec.env, dict) else {}
    for name, value in env.items():
        if isinstance(value, str) and any(has_login(url) for url in urls_in(value)):
            yield Problem(
                "env", "has credentials in a URL, and it stays in the image", name, fatal=False
            )
    pythonpath = env.get("PYTHONPATH")
    if isinstance(pythonpath, str) and "/root" not in pythonpath.split(":"):
        yield Problem(
            "env", "has no /root in it, where flytekit puts source code", "PYTHONPATH", fatal=False
        )


def _names(spec: ImageSpec, package: str) -> bool:
    return bool(spec.requirements) or any(
        isinstance(item, str) and package in item.lower()
        for item in (*(spec.packages or ()), *(spec.conda_packages or ()))
    )

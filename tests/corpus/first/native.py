"""Packages that are compiled, where what that needs is not there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case
from tests.indexes import sdist

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench

_PIP = {"installer": "pip"}
_SETUP = """
from setuptools import Extension, setup
setup(name="NAME", version="1.0", py_modules=[],
      ext_modules=[Extension("_NAME", ["part.c"], libraries=[LIBRARIES])])
"""
_C = """
#include <Python.h>
HEADER
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_NAME", 0, -1, 0};
PyMODINIT_FUNC PyInit__NAME(void) { return PyModule_Create(&module); }
"""


def compiled(bench: Bench, name: str, header: str = "", libraries: str = "") -> str:
    """Serve an index with a package in C, and give its URL."""
    index = bench.stack_folder("index")
    include = f"#include <{header}>" if header else ""
    files = {
        "setup.py": _SETUP.replace("NAME", name).replace("LIBRARIES", libraries),
        "part.c": _C.replace("NAME", name).replace("HEADER", include),
    }
    sdist(index, name, "1.0", files)
    return bench.index(index)


@case("compiler-missing", "packages", "quickhash")
def compiler_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        packages=["quickhash"],
        pip_extra_index_url=[compiled(bench, "quickhash")],
    )


@case("compiler-missing", "packages", "quickhash")
def compiler_missing_pip(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        packages=["attrs", "quickhash"],
        pip_extra_index_url=[compiled(bench, "quickhash")],
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("header-missing", "packages", "quickhash")
def python_header_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        packages=["quickhash"],
        apt_packages=["gcc", "libc6-dev"],
        pip_extra_index_url=[compiled(bench, "quickhash")],
    )


@case("header-missing", "packages", "lzpack")
def header_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        packages=["lzpack"],
        apt_packages=["build-essential", "python3-dev"],
        pip_extra_index_url=[compiled(bench, "lzpack", "lzma.h", '"lzma"')],
    )


@case("header-missing", "packages", "lzpack")
def header_missing_pip(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        packages=["lzpack"],
        apt_packages=["build-essential", "python3-dev"],
        pip_extra_index_url=[compiled(bench, "lzpack", "lzma.h", '"lzma"')],
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("header-missing", "packages", "mathpart")
def library_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        packages=["mathpart"],
        apt_packages=["build-essential", "python3-dev"],
        pip_extra_index_url=[compiled(bench, "mathpart", "", '"openblas"')],
    )


@case("header-missing", "packages", "psycopg2==2.9.9")
def pg_config_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        packages=["psycopg2==2.9.9"],
        apt_packages=["build-essential", "python3-dev"],
    )


@case("header-missing", "packages", "mysqlclient==2.2.4")
def pkg_config_missing_pip(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        packages=["mysqlclient==2.2.4"],
        apt_packages=["build-essential", "python3-dev"],
        builder_options=_PIP,
    )


@case("program-missing", "packages", "git+https://code.example/team/tools.git")
def git_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", packages=["git+https://code.example/team/tools.git"])

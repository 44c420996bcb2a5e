"""Packages that are compiled: other libraries, other build systems."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case
from tests.corpus.first.native import compiled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench

_PIP = {"installer": "pip"}
_TOOLS = ["build-essential", "python3-dev"]


@case("compiler-missing", "packages", "netifaces==0.11.0")
def compiler_missing_for_netifaces(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", packages=["idna", "netifaces==0.11.0"])


@case("compiler-missing", "requirements", "netifaces")
def compiler_missing_for_netifaces_pip(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("requirements.txt", "netifaces\n")
    yield ImageSpec(name="scoring", requirements="requirements.txt", builder_options=_PIP)


@case("header-missing", "packages", "python-ldap==3.4.4")
def ldap_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", packages=["python-ldap==3.4.4"], apt_packages=_TOOLS)


@case("header-missing", "packages", "pygraphviz==1.13")
def graphviz_missing_pip(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        packages=["pygraphviz==1.13"],
        apt_packages=_TOOLS,
        builder_options=_PIP,
    )


@case("header-missing", "packages", "acmecurl")
def header_in_a_folder_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        packages=["acmecurl"],
        apt_packages=_TOOLS,
        pip_extra_index_url=[compiled(bench, "acmecurl", "openssl/ssl.h", '"ssl"')],
        pip_extra_args=bench.trust,
    )


@case("header-missing", "packages", "acmezip")
def library_missing_pip(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        packages=["acmezip"],
        apt_packages=_TOOLS,
        pip_extra_index_url=[compiled(bench, "acmezip", "", '"zstd"')],
        pip_extra_args=bench.trust,
        builder_options=_PIP,
    )


@case("program-missing", "packages", "tools @ git+https://code.example/team/tools.git@main")
def git_missing_pip(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        packages=["tools @ git+https://code.example/team/tools.git@main"],
        builder_options=_PIP,
    )

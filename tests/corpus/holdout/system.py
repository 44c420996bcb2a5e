"""Debian packages, and envd's own installs: other names, other reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("apt-package-missing", "apt_packages", "ffmpg")
def misspelt_debian_package(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", apt_packages=["ffmpg", "curl"])


@case("apt-package-missing", "apt_packages", "python")
def virtual_debian_package(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", apt_packages=["curl", "python"])


@case("apt-version-missing", "apt_packages", "curl=7.0.0-1")
def old_version_of_curl(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", apt_packages=["curl=7.0.0-1"])


@case("apt-held", "apt_packages", "gfortran")
def held_below(bench: Bench) -> Iterator[ImageSpec]:
    base = bench.held("libgomp1", "4.9-1")
    yield ImageSpec(name="scoring", apt_packages=["gfortran"], base_image=base)


@case("apt-unreachable", "apt_packages")
def apt_proxy_unknown(bench: Bench) -> Iterator[ImageSpec]:
    setting = 'Acquire::http::Proxy "http://proxy.corp.invalid:3142";'
    line = f"RUN echo '{setting}' > /etc/apt/apt.conf.d/y"
    yield ImageSpec(name="scoring", apt_packages=["curl"], base_image=bench.base("far-proxy", line))


@case("apt-missing", "base_image")
def apt_renamed(bench: Bench) -> Iterator[ImageSpec]:
    line = "RUN mv /usr/bin/apt-get /usr/bin/apk"
    yield ImageSpec(
        name="scoring", apt_packages=["curl", "git"], base_image=bench.base("no-debian", line)
    )


@case("envd-image-unreachable", "python_version")
def other_python_unavailable(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("requirements.txt", "idna\n")
    yield ImageSpec(name="scoring", python_version="3.10", requirements="requirements.txt")


@case("envd-image-unreachable", "conda_packages")
def conda_with_channel_unavailable(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        conda_packages=["pytorch", "cpuonly"],
        conda_channels=["pytorch"],
        python_version="3.11",
    )

"""Debian packages, and envd's own installs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("apt-package-missing", "apt_packages", "libgomp")
def apt_package_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", apt_packages=["git", "libgomp"])


@case("apt-package-missing", "apt_packages", "openssl-devel")
def apt_package_of_another_system(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", apt_packages=["openssl-devel"])


@case("apt-package-missing", "apt_packages", "python3.7")
def apt_no_candidate(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", apt_packages=["python3.7"])


@case("apt-version-missing", "apt_packages", "git=1:1.0-1")
def apt_version_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", apt_packages=["curl", "git=1:1.0-1"])


@case("apt-version-missing", "apt_packages", "git/buster")
def apt_release_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", apt_packages=["git/buster"])


@case("apt-held", "apt_packages", "libpq-dev")
def apt_held(bench: Bench) -> Iterator[ImageSpec]:
    base = bench.held("libpq5", "9.0-1")
    yield ImageSpec(name="trainer", apt_packages=["git", "libpq-dev"], base_image=base)


@case("apt-unreachable", "apt_packages")
def apt_no_network(bench: Bench) -> Iterator[ImageSpec]:
    base = bench.base(
        "no-mirror", "RUN sed -i 's#http://[^/]*/#http://mirror.invalid/#' /etc/apt/sources.list"
    )
    yield ImageSpec(name="trainer", apt_packages=["git"], base_image=base)


@case("apt-unreachable", "apt_packages")
def apt_mirror_refuses(bench: Bench) -> Iterator[ImageSpec]:
    base = bench.base(
        "no-proxy",
        "RUN echo 'Acquire::http::Proxy \"http://127.0.0.1:9\";' > /etc/apt/apt.conf.d/z",
    )
    yield ImageSpec(name="trainer", apt_packages=["git"], base_image=base)


@case("apt-missing", "base_image")
def base_without_apt(bench: Bench) -> Iterator[ImageSpec]:
    base = bench.base("no-apt", "RUN rm -f /usr/bin/apt-get /usr/bin/apt")
    yield ImageSpec(name="trainer", apt_packages=["git"], base_image=base)


@case("envd-image-unreachable", "python_version")
def python_unavailable(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", python_version="3.12", packages=["attrs"])


@case("envd-image-unreachable", "conda_packages")
def conda_unavailable(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", conda_packages=["numpy"])


@case("base-unreachable", "cuda")
def cuda_unavailable(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", cuda="12.1", python_version="3.11")


@case("apt-setup-failed", "apt_packages", "acme-agent")
def apt_setup_fails(bench: Bench) -> Iterator[ImageSpec]:
    base = bench.base(
        "agent",
        "RUN mkdir -p /p/DEBIAN /srv/debs && printf 'Package: acme-agent\\nVersion: 1.0\\n"
        "Architecture: all\\nMaintainer: me\\nDescription: agent\\n' > /p/DEBIAN/control && "
        "printf '#!/bin/sh\\necho no licence >&2\\nexit 1\\n' > /p/DEBIAN/postinst && "
        "chmod 755 /p/DEBIAN/postinst && dpkg-deb -b /p /srv/debs/a.deb && cd /srv/debs && "
        "(dpkg-deb -f a.deb; echo 'Filename: ./a.deb'; echo \"Size: $(stat -c %s a.deb)\"; "
        "echo \"SHA256: $(sha256sum a.deb | cut -d' ' -f1)\") > Packages && "
        "echo 'deb [trusted=yes] file:/srv/debs ./' > /etc/apt/sources.list.d/acme.list",
    )
    yield ImageSpec(name="trainer", base_image=base, apt_packages=["zip", "acme-agent"])


@case("apt-held", "apt_packages", "unzip=6.0-28")
def apt_held_version(bench: Bench) -> Iterator[ImageSpec]:
    base = bench.held("unzip", "5.0")
    yield ImageSpec(name="trainer", base_image=base, apt_packages=["zip", "unzip=6.0-28"])

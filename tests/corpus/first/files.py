"""What is refused before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("name-invalid", "name")
def name_invalid(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="my trainer!", base_image="debian:12")


@case("copy-missing", "copy", "data/train.csv")
def copy_missing(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("data/training.csv", "a,b\n")
    yield ImageSpec(name="trainer", base_image="debian:12", copy=["data/train.csv"])


@case("file-not-there", "requirements")
def requirements_missing(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("requirements-dev.txt", "attrs\n")
    yield ImageSpec(name="trainer", base_image="debian:12", requirements="requirements.txt")


@case("registry-config-malformed", "registry_config")
def registry_config_malformed(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("registries.json", '{"registries": [{"name": "localhost:5000",}]}')
    yield ImageSpec(name="trainer", base_image="debian:12", registry_config="registries.json")


@case("certificate-missing", "registry_config", "registry.corp.example")
def certificate_missing(bench: Bench) -> Iterator[ImageSpec]:
    text = '{"registries": [{"name": "registry.corp.example", "ca": "certs/ca.pem"}]}'
    bench.write("registries.json", text)
    bench.write("certs/ca.crt", "-----BEGIN CERTIFICATE-----\n")
    yield ImageSpec(name="trainer", base_image="debian:12", registry_config="registries.json")


@case("value-refused", "packages", "--upgrade")
def option_among_packages(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", base_image="debian:12", packages=["attrs", "--upgrade"])


@case("value-refused", "apt_packages", "git; reboot")
def apt_name_refused(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", base_image="debian:12", apt_packages=["git; reboot"])

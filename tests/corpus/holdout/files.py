"""What is refused before anything runs: other fields, other mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("name-invalid", "name")
def name_with_underscores_at_its_end(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring_v2_", base_image="debian:12")


@case("copy-missing", "copy", "modles")
def folder_to_copy_missing(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("models/a.bin", "a")
    yield ImageSpec(name="scoring", base_image="debian:12", copy=["modles"])


@case("file-not-there", "source_root")
def source_root_missing(bench: Bench) -> Iterator[ImageSpec]:
    from flytekit.constants import CopyFileDetection

    bench.write("source/a.py", "")
    yield ImageSpec(
        name="scoring",
        base_image="debian:12",
        source_root="src",
        source_copy_mode=CopyFileDetection.ALL,
    )


@case("registry-config-malformed", "registry_config")
def registries_are_a_list(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("reg.json", '[{"name": "localhost:5000"}]')
    yield ImageSpec(name="scoring", base_image="debian:12", registry_config="reg.json")


@case("certificate-missing", "registry_config", "hub.team.example:8443")
def key_missing(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("ca.pem", "x")
    text = '{"registries": [{"name": "hub.team.example:8443", "ca": "ca.pem", "key": "my.key"}]}'
    bench.write("reg.json", text)
    yield ImageSpec(name="scoring", base_image="debian:12", registry_config="reg.json")


@case("value-refused", "env", "MY-VAR")
def variable_refused(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", base_image="debian:12", env={"MY-VAR": "1"})


@case("value-refused", "platform", "amd64")
def platform_refused(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", base_image="debian:12", platform="amd64")

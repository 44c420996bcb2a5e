"""What is around a spec: other addresses, other moments."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("engine-down", "")
def engine_down_over_tcp(bench: Bench) -> Iterator[ImageSpec]:
    bench.patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:7")
    yield ImageSpec(name="scoring", packages=["idna"], base_image="debian:12")


@case("engine-forbidden", "", confined=True)
def folder_of_the_socket_forbidden(bench: Bench) -> Iterator[ImageSpec]:
    folder = bench.folder / "run"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(folder / "d.sock"))
        door.listen()
        folder.chmod(0o700)
        os.chown(folder, 65534, 65534)
        bench.patch.setenv("DOCKER_HOST", f"unix://{folder}/d.sock")
        yield ImageSpec(name="scoring", apt_packages=["curl"])
        os.chown(folder, 0, 0)


@case("engine-lost", "")
def engine_killed_while_packages_install(bench: Bench) -> Iterator[ImageSpec]:
    bench.when("Collecting", bench.engine())
    yield ImageSpec(
        name="scoring",
        packages=["pandas", "scipy"],
        builder_options={"installer": "pip"},
    )


@case("envd-missing", "")
def envd_missing_for_packages(bench: Bench) -> Iterator[ImageSpec]:
    bench.hide("envd")
    yield ImageSpec(name="scoring", packages=["idna"], base_image="debian:12")


@case("envd-old", "")
def envd_much_older(bench: Bench) -> Iterator[ImageSpec]:
    bench.old_envd("0.3.40")
    yield ImageSpec(name="scoring", packages=["idna"], base_image="debian:12")


@case("context-missing", "")
def other_context_missing(bench: Bench) -> Iterator[ImageSpec]:
    bench.patch.setenv("FLYTE_ENVD_CONTEXT", "team-builder")
    yield ImageSpec(name="scoring", packages=["idna"], base_image="debian:12")


@case("builder-unreachable", "registry")
def sandbox_gone(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", registry="localhost:30000", packages=["idna"])

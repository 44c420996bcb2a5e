"""Engine, envd, builder: what is around the spec."""

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
def engine_down(bench: Bench) -> Iterator[ImageSpec]:
    bench.patch.setenv("DOCKER_HOST", f"unix://{bench.folder}/docker.sock")
    yield ImageSpec(name="trainer")


@case("engine-down", "")
def engine_not_listening(bench: Bench) -> Iterator[ImageSpec]:
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(bench.folder / "docker.sock"))
    bench.patch.setenv("DOCKER_HOST", f"unix://{bench.folder}/docker.sock")
    yield ImageSpec(name="trainer")


@case("engine-down", "")
def engine_port_closed(bench: Bench) -> Iterator[ImageSpec]:
    bench.patch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    yield ImageSpec(name="trainer")


@case("engine-address", "")
def engine_address_wrong(bench: Bench) -> Iterator[ImageSpec]:
    bench.patch.setenv("DOCKER_HOST", "htp://127.0.0.1:2375")
    yield ImageSpec(name="trainer")


@case("engine-login", "")
def engine_ssh_refuses(bench: Bench) -> Iterator[ImageSpec]:
    # As ssh says it where no key is taken.
    text = "#!/bin/sh\necho 'me@build.example: Permission denied (publickey).' >&2\nexit 255\n"
    bench.write("bin/ssh", text, 0o755)
    bench.patch.setenv("PATH", f"{bench.folder / 'bin'}{os.pathsep}{os.environ['PATH']}")
    bench.patch.setenv("DOCKER_HOST", "ssh://me@build.example")
    yield ImageSpec(name="trainer")


@case("engine-forbidden", "", confined=True)
def socket_forbidden(bench: Bench) -> Iterator[ImageSpec]:
    path = bench.folder / "docker.sock"
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(str(path))
        door.listen()
        path.chmod(0o600)
        os.chown(path, 65534, 65534)
        bench.patch.setenv("DOCKER_HOST", f"unix://{path}")
        yield ImageSpec(name="trainer")


@case("engine-lost", "")
def engine_killed_in_a_command(bench: Bench) -> Iterator[ImageSpec]:
    bench.when("now at it", bench.engine())
    yield ImageSpec(name="trainer", commands=["echo now at it; sleep 60"])


@case("envd-missing", "")
def envd_missing(bench: Bench) -> Iterator[ImageSpec]:
    bench.hide("envd")
    yield ImageSpec(name="trainer")


@case("envd-old", "")
def envd_old(bench: Bench) -> Iterator[ImageSpec]:
    bench.old_envd("0.3.45")
    yield ImageSpec(name="trainer")


@case("context-missing", "")
def context_missing(bench: Bench) -> Iterator[ImageSpec]:
    bench.patch.setenv("FLYTE_ENVD_CONTEXT", "nowhere")
    yield ImageSpec(name="trainer")


@case("builder-unreachable", "registry")
def sandbox_not_running(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", registry="localhost:30000", base_image="localhost:9/x:1")

"""Base images and registries: other names, other addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("base-missing", "base_image")
def base_of_nobody(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring", packages=["idna"], base_image=f"{bench.lab.registry}/team/nonesuch:latest"
    )


@case("base-missing", "base_image")
def base_digest_missing(bench: Bench) -> Iterator[ImageSpec]:
    name = bench.lab.base_image.rpartition(":")[0]
    yield ImageSpec(name="scoring", base_image=f"{name}@sha256:{'5' * 64}")


@case("base-login", "base_image")
def base_login_wrong(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(login=True)
    yield ImageSpec(
        name="scoring", apt_packages=["curl"], base_image=f"127.0.0.1:{port}/gpu/runtime:2"
    )


@case("base-unreachable", "base_image")
def base_registry_silent(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", base_image="127.0.0.1:7/gpu/runtime:2")


@case("base-unreachable", "base_image")
def public_base_without_network(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", base_image="python:3.12-slim", commands=["true"])


@case("base-unreachable", "cuda")
def other_cuda_unavailable(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", cuda="11.8", cudnn="8", python_version="3.10")


@case("base-plain-http", "base_image")
def other_plain_registry(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry()
    yield ImageSpec(
        name="scoring", packages=["idna"], base_image=f"{bench.gateway}:{port}/gpu/runtime:2"
    )


@case("base-tls", "base_image")
def other_self_signed_registry(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(tls=True, login=True)
    yield ImageSpec(name="scoring", base_image=f"{bench.gateway}:{port}/gpu/runtime:2")


@case("platform-missing", "platform", "linux/s390x")
def one_of_two_platforms_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        base_image=bench.lab.base_image,
        platform="linux/amd64,linux/s390x",
        commands=["true"],
    )


@case("push-login", "registry")
def push_login_on_a_path(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(login=True)
    yield ImageSpec(name="scoring", registry=f"127.0.0.1:{port}/team", packages=["idna"])


@case("push-unreachable", "registry")
def push_refused_connection(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", registry="127.0.0.1:7/team", commands=["echo a"])


@case("push-plain-http", "registry")
def push_to_plain_registry(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(login=True)
    yield ImageSpec(name="scoring", registry=f"{bench.gateway}:{port}/ml", commands=["echo b"])


@case("push-tls", "registry")
def push_to_self_signed_registry(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(tls=True)
    yield ImageSpec(name="scoring", registry=f"{bench.gateway}:{port}/ml", packages=["idna"])


@case("push-refused", "registry")
def push_to_a_registry_that_only_reads(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(read_only=True)
    yield ImageSpec(name="scoring", registry=f"127.0.0.1:{port}/deep/er", env={"A": "b"})

"""Base images that cannot be had, and images that no registry takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.bench import LOGIN
from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("base-missing", "base_image")
def base_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", base_image=f"{bench.lab.registry}/lab/pyhton:3.11")


@case("base-missing", "base_image")
def base_tag_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", base_image=f"{bench.lab.registry}/lab/python:3.99")


@case("base-login", "base_image")
def base_login(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(login=True)
    yield ImageSpec(name="trainer", base_image=f"localhost:{port}/team/python:3.11")


@case("base-unreachable", "base_image")
def base_registry_unknown(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", base_image="registry.corp.invalid/team/python:3.11")


@case("base-unreachable", "base_image")
def base_registry_refuses(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", base_image="localhost:9/team/python:3.11")


@case("base-plain-http", "base_image")
def base_plain_http(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry()
    yield ImageSpec(name="trainer", base_image=f"{bench.gateway}:{port}/team/python:3.11")


@case("base-tls", "base_image")
def base_tls(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(tls=True)
    yield ImageSpec(name="trainer", base_image=f"{bench.gateway}:{port}/team/python:3.11")


@case("platform-missing", "platform", "linux/arm64")
def platform_missing(bench: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer", base_image=bench.lab.base_image, platform="linux/arm64", commands=["true"]
    )


@case("push-login", "registry")
def push_login(bench: Bench) -> Iterator[ImageSpec]:
    assert LOGIN
    port = bench.registry(login=True)
    yield ImageSpec(name="trainer", registry=f"localhost:{port}", commands=["true"])


@case("push-unreachable", "registry")
def push_unreachable(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", registry="localhost:9", commands=["true"])


@case("push-plain-http", "registry")
def push_plain_http(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry()
    yield ImageSpec(name="trainer", registry=f"{bench.gateway}:{port}", commands=["true"])


@case("push-tls", "registry")
def push_tls(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(tls=True)
    yield ImageSpec(name="trainer", registry=f"{bench.gateway}:{port}", commands=["true"])


@case("push-refused", "registry")
def push_read_only(bench: Bench) -> Iterator[ImageSpec]:
    port = bench.registry(read_only=True)
    yield ImageSpec(name="trainer", registry=f"localhost:{port}", commands=["true"])


@case("push-unreachable", "registry")
def push_host_unknown(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", registry="registry.corp.invalid/team", commands=["true"])

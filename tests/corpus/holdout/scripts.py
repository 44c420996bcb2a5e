"""Commands that run scripts and fetch things: others of the same kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


def _spec(*commands: str, **fields: object) -> ImageSpec:
    return ImageSpec(name="model", commands=[*commands], **fields)


@case("interpreter-missing", "commands", "./setup-all && echo done")
def interpreter_missing(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("setup-all", "#!/usr/bin/ruby\nputs 1\n", 0o755)
    yield _spec("./setup-all && echo done", copy=["setup-all"])


@case("variable-missing", "commands", 'echo "${MODEL_HOME}/x"')
def variable_in_braces(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("true", 'echo "${MODEL_HOME}/x"', "true")


@case("folder-missing", "commands", "mkdir /a; cd /a/b; pwd")
def folder_below(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("mkdir /a; cd /a/b; pwd")


@case("file-missing", "commands", "tar -C /opt -xzf weights.tgz")
def archive_beside(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("tar -C /opt -xzf weights.tgz")


@case(
    "library-missing",
    "commands",
    "python -c 'import ctypes as c; c.cdll.LoadLibrary(\"libpq.so.5\")'",
)
def database_library(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("python -c 'import ctypes as c; c.cdll.LoadLibrary(\"libpq.so.5\")'")


@case("memory-short", "commands", "python -c 'x = list(range(10)) * 10**14'")
def long_list(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("python -c 'x = list(range(10)) * 10**14'")


@case("apt-package-missing", "commands", "apt-get update && apt-get install -y lib-zip-dev")
def apt_name_in_a_command(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("apt-get update && apt-get install -y lib-zip-dev")


@case("download-missing", "commands")
def curl_missing(bench: Bench) -> Iterator[ImageSpec]:
    url = f"{bench.index(bench.stack_folder('index'))}model.pt"
    bench.item = f"curl -fsS {url} -o /model.pt"
    yield _spec("true", bench.item, apt_packages=["curl"])

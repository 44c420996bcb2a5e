"""Commands that run scripts and fetch things, and what those lack."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


def _spec(*commands: str, **fields: object) -> ImageSpec:
    return ImageSpec(name="trainer", commands=[*commands], **fields)


@case("line-ends", "commands", "/root/prepare --all")
def script_from_windows(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("prepare", "#!/usr/bin/env python3\r\nprint(1)\r\n", 0o755)
    yield _spec("true", "/root/prepare --all", copy=["prepare"])


@case("interpreter-missing", "commands", "/root/prepare.sh --all")
def script_from_windows_shell(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("prepare.sh", "#!/bin/bash\r\necho 1\r\n", 0o755)
    yield _spec("/root/prepare.sh --all", copy=["prepare.sh"])


@case("variable-missing", "commands", "ls $DATA_DIR")
def variable_missing(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("echo begin", "ls $DATA_DIR", env={"DATA_DIRS": "/root"})


@case("folder-missing", "commands", "cd /data/train && ls")
def folder_missing(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("cd /data/train && ls")


@case("file-missing", "commands", "tar xf /root/model.tar")
def archive_missing(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("tar xf /root/model.tar")


@case("library-missing", "commands", "python -c 'import ctypes; ctypes.CDLL(\"libgomp.so.1\")'")
def shared_library_missing(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("python -c 'import ctypes; ctypes.CDLL(\"libgomp.so.1\")'")


@case("memory-short", "commands", "python -c 'bytearray(10**15)'")
def memory_short(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("python -c 'bytearray(10**15)'")


@case("apt-package-missing", "commands", "apt-get install -y zip")
def apt_without_lists(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("rm -rf /var/lib/apt/lists/*", "apt-get install -y zip")


@case("package-missing", "commands", "pip install humanise")
def pip_in_a_command(_: Bench) -> Iterator[ImageSpec]:
    yield _spec("pip install humanise")


@case("download-missing", "commands")
def download_missing(bench: Bench) -> Iterator[ImageSpec]:
    folder = bench.stack_folder("index")
    url = f"{bench.index(folder)}weights.bin"
    bench.item = f"python -c \"import urllib.request as r; r.urlopen('{url}')\""
    yield _spec(bench.item)

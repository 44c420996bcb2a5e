"""Commands that fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("command-failed", "commands", "grep nobody /etc/hostname")
def command_exit_code(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer", commands=["echo begin", "grep nobody /etc/hostname", "echo end"]
    )


@case("command-failed", "commands", "exit 3")
def command_silent(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", commands=["exit 3"])


@case("command-failed", "commands", "python -c 'import json; json.loads(\"{\")'")
def command_traceback(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", commands=["true", "python -c 'import json; json.loads(\"{\")'"])


@case("command-failed", "commands", "if true; then")
def command_syntax(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", commands=["if true; then"])


@case("program-missing", "commands", "curl -sSf https://code.example/install.sh -o /install.sh")
def program_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        commands=["echo begin", "curl -sSf https://code.example/install.sh -o /install.sh"],
    )


@case("program-missing", "commands", "pyhton -c 'print(1)'")
def program_misspelt(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", commands=["pyhton -c 'print(1)'"])


@case("module-missing", "commands", "python -c 'import yaml'")
def module_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", packages=["attrs"], commands=["python -c 'import yaml'"])


@case("permission-denied", "commands", "/root/prepare.sh")
def script_not_executable(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("prepare.sh", "#!/bin/sh\necho hello\n")
    yield ImageSpec(name="trainer", copy=["prepare.sh"], commands=["/root/prepare.sh"])


@case("permission-denied", "commands", "su nobody -s /bin/sh -c 'touch /root/mine'")
def file_not_writable(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", commands=["su nobody -s /bin/sh -c 'touch /root/mine'"])


@case("file-missing", "commands", "python /root/train.py")
def file_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="trainer", commands=["python /root/train.py"])


@case("copy-ignored", "source_root")
def source_ignored(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("src/train.py", "print('trains')\n")
    bench.write("src/settings.json", "{}\n")
    bench.write("src/.dockerignore", "*.json\n")
    yield ImageSpec(
        name="trainer",
        source_root="src",
        source_copy_mode=CopyFileDetection.ALL,
        commands=["cat /root/train.py", "cat /root/settings.json"],
    )


@case("disk-full", "commands", "dd if=/dev/zero of=/data.bin bs=1M count=2000")
def disk_full(bench: Bench) -> Iterator[ImageSpec]:
    bench.engine(megabytes=700)
    yield ImageSpec(
        name="trainer", commands=["dd if=/dev/zero of=/data.bin bs=1M count=2000", "true"]
    )


@case("killed", "commands", "python -c 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'")
def killed(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        commands=[
            "echo begin",
            "python -c 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'",
        ],
    )


@case(
    "command-network",
    "commands",
    "python -c 'import urllib.request as r; r.urlopen(\"http://data.invalid/x\")'",
)
def command_no_network(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="trainer",
        commands=["python -c 'import urllib.request as r; r.urlopen(\"http://data.invalid/x\")'"],
    )


@case("shell-missing", "base_image")
def base_without_bash(bench: Bench) -> Iterator[ImageSpec]:
    base = bench.base("no-bash", "RUN rm -f /bin/bash /usr/bin/bash")
    yield ImageSpec(name="trainer", base_image=base, commands=["echo hello"])


@case("wrong-architecture", "platform")
def wrong_architecture(bench: Bench) -> Iterator[ImageSpec]:
    # The head of a program for arm64, which is as far as a system looks.
    head = "\\177ELF\\002\\001\\001" + "\\000" * 9 + "\\002\\000\\267\\000\\001" + "\\000" * 43
    lines = [f"RUN printf '{head}' > /x && chmod 755 /x && cp /x /bin/bash"]
    yield ImageSpec(name="trainer", base_image=bench.base("arm64", *lines), commands=["echo hello"])

"""Commands that fail: other programs, other ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection

from tests.corpus.case import case

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.corpus.bench import Bench


@case("command-failed", "commands", "python -m json.tool /etc/passwd")
def no_json(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        commands=["mkdir -p /data", "python -m json.tool /etc/passwd", "ls /data"],
    )


@case("command-failed", "commands", "diff /etc/passwd /etc/group")
def differs(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", commands=["diff /etc/passwd /etc/group", "echo same"])


@case("command-failed", "commands", "python -c 'assert 1 + 1 == 3, \"sums\"'")
def assertion(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", commands=["python -c 'assert 1 + 1 == 3, \"sums\"'"])


@case("program-missing", "commands", "wget -q https://code.example/model.bin")
def wget_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        packages=["idna"],
        commands=["cd /root", "wget -q https://code.example/model.bin", "ls"],
    )


@case("program-missing", "commands", "sh -c 'unzip -v'")
def program_missing_in_sh(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", commands=["sh -c 'unzip -v'"])


@case("module-missing", "commands", "python -m pytest --version")
def module_missing_as_program(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", commands=["true", "python -m pytest --version"])


@case("permission-denied", "commands", "./run.py --check")
def program_not_executable(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("run.py", "#!/usr/bin/env python\nprint('runs')\n")
    yield ImageSpec(name="scoring", copy=["run.py"], commands=["cd /root", "./run.py --check"])


@case("file-missing", "commands", "cp settings.toml /etc/scoring.toml")
def file_to_copy_missing(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", commands=["echo first", "cp settings.toml /etc/scoring.toml"])


@case("copy-ignored", "source_root")
def source_ignored_by_folder(bench: Bench) -> Iterator[ImageSpec]:
    bench.write("score.py", "print(open('/root/tables/weights.csv').read())\n")
    bench.write("tables/weights.csv", "1,2\n")
    bench.write(".dockerignore", "# large\ntables\n")
    yield ImageSpec(
        name="scoring",
        source_root=".",
        source_copy_mode=CopyFileDetection.ALL,
        commands=["python /root/score.py"],
    )


@case("disk-full", "commands", 'python -c \'open("/big", "wb").write(bytes(900_000_000))\'')
def disk_full_python(bench: Bench) -> Iterator[ImageSpec]:
    bench.engine(megabytes=640)
    yield ImageSpec(
        name="scoring",
        commands=['python -c \'open("/big", "wb").write(bytes(900_000_000))\''],
    )


@case("killed", "commands", "sh -c 'kill -9 $$'")
def shell_killed(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(name="scoring", commands=["sh -c 'kill -9 $$'"])


@case(
    "command-network",
    "commands",
    "python -m pip download -q --retries 0 --index-url http://127.0.0.1:7/simple idna",
)
def pip_in_a_command(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        commands=[
            "python -m pip download -q --retries 0 --index-url http://127.0.0.1:7/simple idna"
        ],
    )


@case("command-network", "commands", "curl -sSf http://127.0.0.1:7/model.bin -o /model.bin")
def curl_refused(_: Bench) -> Iterator[ImageSpec]:
    yield ImageSpec(
        name="scoring",
        apt_packages=["curl"],
        commands=["echo go", "curl -sSf http://127.0.0.1:7/model.bin -o /model.bin"],
    )


@case("shell-missing", "base_image")
def bash_renamed(bench: Bench) -> Iterator[ImageSpec]:
    line = "RUN mv /bin/bash /bin/brash"
    yield ImageSpec(name="scoring", packages=["idna"], base_image=bench.base("brash", line))


@case("wrong-architecture", "platform")
def programs_of_riscv(bench: Bench) -> Iterator[ImageSpec]:
    head = "\\177ELF\\002\\001\\001" + "\\000" * 9 + "\\002\\000\\363\\000\\001" + "\\000" * 43
    lines = [f"RUN printf '{head}' > /x && chmod 755 /x && cp /x /bin/bash"]
    yield ImageSpec(name="scoring", base_image=bench.base("riscv", *lines), apt_packages=["curl"])

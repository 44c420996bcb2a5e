"""Output that no real build writes, and processes that no real build has."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic import BuildError, BuildInterrupted, build, last_result
from envd_magic.owner import private_name

from .fakes import fake_envd

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab

FLOOD = """
out, err = sys.stdout.buffer, sys.stderr.buffer
for number in range(200_000):
    if number % 100 == 7:
        out.flush()
        err.write(b"line %d to stderr\\n" % number)
        err.flush()
    elif number % 1000 == 3:
        out.write(b"line %d broken \\xff\\xfe\\n" % number)
    else:
        out.write(b"line %d of the flood\\n" % number)
out.write(b"#9 0.1 no end")
out.flush()
"""


def test_two_hundred_thousand_lines_arrive_in_order(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    fake_envd(tmp_path, monkeypatch, FLOOD + "print(flush=True)\nreal()\n")
    result = build(ImageSpec(name="flooded"), force=True)
    assert result.status == "built"
    assert result.log_file is not None
    text = result.log_file.read_text()
    numbers = [int(number) for number in re.findall(r"^line (\d+) ", text, re.MULTILINE)]
    assert numbers == list(range(200_000))
    assert "line 3 broken \\xff\\xfe\n" in text
    assert "#9 0.1 no end\n" in text


def test_the_last_words_before_a_failure_are_kept(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    fake_envd(tmp_path, monkeypatch, FLOOD + "sys.exit(5)")
    with pytest.raises(BuildError) as caught:
        build(ImageSpec(name="flooded"), force=True)
    assert caught.value.exit_code == 5
    result = last_result()
    assert result is not None
    assert result.log_file is not None
    assert result.log_file.read_text().endswith("\n#9 0.1 no end\n")


def test_stopping_ends_what_ignores_signals(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    pids = tmp_path / "pids"
    fake_envd(
        tmp_path,
        monkeypatch,
        f"""
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen(["sleep", "1000"])
pathlib.Path({str(pids)!r}).write_text(f"{{os.getpid()}} {{child.pid}}")
print("ready", flush=True)
time.sleep(1000)
""",
    )

    def stop(event: object) -> None:
        if "ready" in repr(event):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(BuildInterrupted):
        build(ImageSpec(name="deaf"), force=True, listener=stop)
    for pid in pids.read_text().split():
        done = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True)
        assert done.stdout.strip() in ("", "Z", "Zs")


def test_a_child_that_holds_the_pipe_does_not_hold_the_build(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert lab
    fake_envd(
        tmp_path, monkeypatch, "subprocess.Popen(['sleep', '1000']); print('gone'); sys.exit(3)"
    )
    with pytest.raises(BuildError):
        build(ImageSpec(name="held"), force=True)


def test_an_interrupt_in_any_phase_leaves_nothing(lab: Lab, tmp_path: Path) -> None:
    spec = ImageSpec(name="phases", registry=lab.registry, commands=["sleep 1"])
    phases: set[str] = set()

    def note(event: object) -> None:
        if type(event).__name__ == "PhaseChanged":
            phases.add(repr(event))

    build(spec, force=True, listener=note)
    assert len(phases) >= 5
    for phase in sorted(phases):

        def stop(event: object, phase: str = phase) -> None:
            if repr(event) == phase:
                os.kill(os.getpid(), signal.SIGINT)

        if "DONE" in phase:
            continue
        with pytest.raises(BuildInterrupted):
            build(spec, force=True, listener=stop)
        names = lab.docker("images", "--format", "{{.Repository}}:{{.Tag}}")
        assert private_name().rpartition("-")[0] not in names


def test_a_builder_without_an_engine_makes_and_pushes_by_itself(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    monkeypatch.setenv("HOME", str(tmp_path))
    # A home that no other test has made.
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "kept"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none.sock")
    keep = (
        "folder = pathlib.Path(words[words.index('--path') + 1])\n"
        f"pathlib.Path({str(tmp_path / 'seen')!r}).write_text((folder / 'build.envd').read_text())"
    )
    calls = fake_envd(tmp_path, monkeypatch, keep)
    spec = ImageSpec(
        name="far", registry="localhost:30000", base_image="debian:12", env={"SEED": "7"}
    )
    result = build(spec)
    assert result.image == spec.image_name()
    found = [json.loads(line) for line in calls.read_text().splitlines()]
    create = next(words for words in found if words[:2] == ["context", "create"])
    assert create[2:] == [
        *["--name", "flyte-sandbox", "--builder", "tcp"],
        *["--builder-address", "localhost:30003", "--use"],
    ]
    built = next(words for words in found if words[0] == "build")
    assert built[built.index("--path") + 2 :] == [
        "--output",
        f"type=image,name={spec.image_name()},push=true",
        "--platform",
        "linux/amd64",
    ]
    text = (tmp_path / "seen").read_text()
    assert '"SEED": "7"' in text
    assert f'"_F_IMG_ID": "{spec.id}"' in text
    assert 'base(image="debian:12"' in text
    with pytest.raises(ValueError, match="entrypoint"):
        build(ImageSpec(name="far", registry="localhost:30000", base_image="a:1", entrypoint=[]))
    assert lab

"""Builds that install system packages at the same time: all succeed, though apt's cache is one."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from flytekit import ImageSpec

from envd_magic.pipeline.build import build_spec
from envd_magic.pipeline.events import Output, StepFailed, StepStarted
from envd_magic.pipeline.options import Options
from envd_magic.pipeline.witness import Witness

from .fakes import fake_envd

if TYPE_CHECKING:
    from pathlib import Path

    from .lab import Lab

# What the real one said when another build was loading packages, which cannot be timed.
_LOCKED = """
begun = pathlib.Path({begun!r})
if begun.exists():
    real()
begun.touch()
print("#7 apt-get install bc")
print("#7 0.912 E: Could not get lock /var/cache/apt/archives/lock. It is held by process 0")
print("#7 0.912 E: Unable to lock directory /var/cache/apt/archives/")
print("#7 ERROR: process \\"bash\\" did not complete successfully: exit code: 100")
sys.exit(1)
"""
_HOLDS = "apt holds its lock"
# Far more than it may take.
_PATIENCE = 120


@pytest.fixture(scope="module")
def slow_base(lab: Lab) -> str:
    """A base image whose apt, once it has begun to install, takes a few seconds."""
    setting = f'DPkg::Pre-Invoke {{"echo {_HOLDS} {uuid.uuid4().hex}; sleep 5"}};'
    return lab.derive("apt-slow", [f"RUN echo '{setting}' > /etc/apt/apt.conf.d/99slow"])


def test_builds_of_a_user_wait_for_each_other(slow_base: str) -> None:
    holds, heard = threading.Event(), []

    def first(event: object) -> None:
        if _HOLDS in repr(event):
            holds.set()

    def second(event: object) -> None:
        heard.append(repr(event))

    def build(package: str, listener: object) -> str:
        name = f"apt-{uuid.uuid4().hex[:8]}"
        spec = ImageSpec(name=name, base_image=slow_base, apt_packages=[package])
        return build_spec(spec, Options(listener=listener)).status  # type: ignore[arg-type]

    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(build, "tree", first)
        assert holds.wait(_PATIENCE)
        assert build("jq", second) == "built"
        assert one.result() == "built"
    assert any("Waiting: another build installs system packages" in line for line in heard)
    assert not any("StepFailed" in line for line in heard)


def test_what_failed_and_was_tried_again_is_not_why_the_build_failed() -> None:
    witness = Witness()
    for run, name, said in ((1, "apt-get install bc", "E: locked"), (2, "pip", "no such package")):
        witness(StepStarted(5, name, "packages", run))
        witness(Output(f"#5 0.100 {said}\n"))
        witness(StepFailed(5, name, "exit code: 1", "packages", run, (said,)))
    failure = witness.failure(("BuildError",), "it failed")
    assert (failure.step, failure.lines) == ("pip", ("no such package",))


def test_a_build_is_tried_again_where_somebody_elses_has_the_lock(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_envd(tmp_path, monkeypatch, _LOCKED.format(begun=str(tmp_path / "begun")))
    spec = ImageSpec(name=f"apt-{uuid.uuid4().hex[:8]}", apt_packages=["bc"])
    result = build_spec(spec)
    assert result.status == "built"
    assert result.log_file is not None
    assert "Another build has locked apt's cache" in result.log_file.read_text()
    assert not [step for step in result.steps if step.status == "failed"]
    assert "bc" in lab.run(result.image, "dpkg-query", "-W", "bc")

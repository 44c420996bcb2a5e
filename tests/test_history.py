"""Past builds: remembered, shown, brought back, forgotten; secrets never get there."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from flytekit.constants import CopyFileDetection
from IPython.core.error import UsageError

from envd_magic.pipeline.events import Finished, Notice, Started
from envd_magic.pipeline.keep import Keeper, kept_recording
from envd_magic.pipeline.options import Options
from envd_magic.records import history
from envd_magic.records.restore import restored
from envd_magic.spec.literal import NotLiteralError
from envd_magic.spec.source import format_spec

from .builds import BUILT, FAILED, IMAGE
from .shells import shell

if TYPE_CHECKING:
    from envd_magic.pipeline.events import Event

SPEC = ImageSpec(name="trainer", packages=["attrs"])
SECRET = "hunter2-XYZ"  # noqa: S105


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "home"))


def keep(spec: ImageSpec, *events: Event) -> None:
    keeper = Keeper(spec, Options())
    for event in events:
        keeper(event)


def test_a_build_is_remembered_with_its_spec_and_what_came_of_it() -> None:
    keep(SPEC, Started(IMAGE, 1), Finished(BUILT))
    entry = history.entries()[0]
    assert (entry.name, entry.result["status"], entry.result["image"]) == (
        "trainer",
        "built",
        IMAGE,
    )
    assert restored(entry.spec) == SPEC


def test_one_that_was_there_already_is_no_build() -> None:
    keep(SPEC, Finished(replace(BUILT, status="exists")))
    assert history.entries() == []


def test_secrets_do_not_reach_the_store_or_the_recording(tmp_path: Path) -> None:
    (tmp_path / "netrc").write_text(f"machine h login me password {SECRET}")
    spec = ImageSpec(
        packages=["attrs"],
        pip_index=f"https://me:{SECRET}@h/simple",
        env={"API_TOKEN": SECRET},
        commands=[f"echo '{SECRET}'"],
        pip_secret_mounts=[(str(tmp_path / "netrc"), "/root/.netrc")],
    )
    keep(spec, Started(IMAGE, 1, tmp_path / "a.log"), Finished(BUILT))
    import gzip

    kept = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert len(kept) == 2
    for path in kept:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        assert SECRET.encode() not in content
        assert path.stat().st_mode & 0o077 == 0


def test_the_store_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST", 3)
    for number in range(5):
        history.remember(f"n{number}", "ImageSpec()", {})
    assert [one.name for one in history.entries()] == ["n4", "n3", "n2"]
    assert [one.number for one in history.entries()] == [5, 4, 3]


def test_several_processes_write_at_once() -> None:
    program = (
        "from envd_magic.records.history import remember\n"
        "for n in range(20): remember(str(n), 'ImageSpec()', {})"
    )
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(4)]
    assert [one.wait(60) for one in running] == [0] * 4
    assert len({one.number for one in history.entries()}) == 80


def test_a_broken_store_stops_no_build_and_is_told() -> None:
    history.history_file().write_bytes(b"no database" * 100)
    told: list[Event] = []
    Keeper(SPEC, Options(listener=told.append))(Finished(BUILT))
    assert isinstance(told[0], Notice)
    assert "delete the file to begin a new one" in told[0].text
    assert told[1] == Finished(BUILT)


def test_history_lists_shows_restores_and_forgets() -> None:
    ip = shell()
    assert ip.do("%envd history") == "No build is remembered.\n"
    keep(SPEC, Finished(BUILT))
    keep(replace(SPEC, name="other"), Finished(replace(FAILED, image="other:x")))
    lines = ip.do("%envd history").splitlines()
    assert [line.split()[0] for line in lines] == ["number", "2", "1"]
    assert len(ip.do("%envd history --name trainer").splitlines()) == 2
    assert len(ip.do("%envd history --lines 1").splitlines()) == 2
    assert ip.do("%envd history --lines 0").splitlines() == lines
    assert "Failed to build: other:x" in ip.do("%envd history 2")
    assert "packages=['attrs']" in ip.do("%envd history 1")
    ip.do("%envd history 1 again")
    assert ip.user_ns["again"] == SPEC
    assert ip.do("%envd history --remove 1 --remove 9") == "Forgotten: 1\n"
    assert ip.do("%envd history --clear") == "Forgotten: 1\n"


def test_a_build_that_is_forgotten_leaves_no_recording() -> None:
    for log in ("a.log", "b.log", "c.log"):
        path = Path("/logs", log)
        keep(SPEC, Started(IMAGE, 1, path), Finished(replace(BUILT, log_file=path)))

    def left() -> list[str]:
        logs = ("a.log", "b.log", "c.log")
        found = [kept_recording(Path("/logs", log)) for log in logs]
        return [path.name[0] for path in found if path is not None and path.exists()]

    shell().do("%envd history --remove 2")
    assert left() == ["a", "c"]
    shell().do("%envd history --clear")
    assert left() == []


@pytest.mark.parametrize("off", ["false", "0", "No", "off"])
def test_a_variable_switches_the_keeping_off_for_scripts_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, off: str
) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HISTORY", off)
    keep(SPEC, Started(IMAGE, 1, Path("/logs/a.log")), Finished(BUILT))
    assert history.entries() == []
    recording = kept_recording(Path("/logs/a.log"))
    assert recording is not None
    assert recording.exists()
    recording.unlink()
    monkeypatch.setenv("ENVD_MAGIC_RECORDINGS", off)
    keep(SPEC, Started(IMAGE, 1, Path("/logs/a.log")), Finished(BUILT))
    assert not recording.exists()


def test_what_a_program_asks_for_beats_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HISTORY", "false")
    Keeper(SPEC, Options(history=True))(Finished(BUILT))
    monkeypatch.setenv("ENVD_MAGIC_HISTORY", "true")
    Keeper(SPEC, Options(history=False))(Finished(BUILT))
    assert len(history.entries()) == 1


def test_the_history_says_that_it_is_off_and_by_what() -> None:
    ip = shell()
    keep(SPEC, Finished(BUILT))
    assert "note" not in ip.do("%envd history")
    ip.do("%config EnvdMagic.history = False")
    text = ip.do("%envd history")
    assert IMAGE in text
    assert "note: new builds are not remembered: the setting history is off (%config" in text


def test_a_number_that_is_not_there_is_said() -> None:
    with pytest.raises(UsageError, match="there is no build 7"):
        shell().do("%envd history 7")


def test_what_is_masked_in_a_restored_spec_is_said() -> None:
    keep(ImageSpec(env={"API_TOKEN": SECRET}), Finished(BUILT))
    assert "**** stands for them in: env" in shell().do("%envd history 1 spec")


@pytest.mark.parametrize(
    "fields",
    [
        {"base_image": ImageSpec(name="base", apt_packages=["git"])},
        {"source_root": ".", "source_copy_mode": CopyFileDetection.ALL},
        {"env": {"A": "1"}, "entrypoint": [], "copy": ["x"]},
        {"pip_secret_mounts": [("a", "b")], "packages": ["x" * 40, "it's", 'a"b\\']},
        {"builder_options": {"installer": "pip"}, "platform": "linux/arm64"},
    ],
)
def test_a_spec_comes_back_as_it_was(fields: dict[str, Any]) -> None:
    spec = ImageSpec(name="x", **fields)
    assert restored(format_spec(spec)) == spec


def test_text_that_does_more_than_make_a_spec_is_not_run() -> None:
    with pytest.raises(NotLiteralError):
        restored("ImageSpec(name=open('x', 'w').name)")

"""Recordings of builds, and what a replay shows."""

from __future__ import annotations

import gzip
import json
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec

from envd_magic.errors import FileError
from envd_magic.pipeline.as_json import from_json, to_json
from envd_magic.pipeline.events import Finished, Notice, Output, Phase, PhaseChanged, Started
from envd_magic.pipeline.keep import Keeper, kept_recording
from envd_magic.pipeline.options import Options
from envd_magic.records import recording as module
from envd_magic.records.recording import copy_recording, read_recording
from envd_magic.view import display
from envd_magic.view.replay import replay

from .builds import BUILT, FAILED, IMAGE, done, failed, running
from .notebooks import run
from .shells import shell

if TYPE_CHECKING:
    from envd_magic.pipeline.events import Event
    from envd_magic.view.cards import Card

SPEC = ImageSpec(name="trainer", packages=["attrs"])
EVENTS = [*running(done(), failed(), Notice("it is old")), PhaseChanged(Phase.PUSH, "x")]


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVD_MAGIC_HOME", str(tmp_path / "home"))


def kept(*events: Event) -> Path:
    """Let a build of these events be kept."""
    log = Path("/logs/a.log")
    keeper = Keeper(SPEC, Options())
    for event in (Started(IMAGE, 4, log), *events):
        keeper(event)
    path = kept_recording(log)
    assert path is not None
    return path


class Pictures:
    """A screen that keeps all."""

    hint = ""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.cards: list[Card] = []
        self.ends: list[Card] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def update(self, card: Card) -> None:
        self.cards.append(card)

    def finish(self, card: Card) -> None:
        self.ends.append(card)


@pytest.mark.parametrize("event", [*EVENTS, Finished(BUILT), Finished(FAILED)], ids=str)
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    told = to_json(event)
    assert told is not None
    assert from_json(json.loads(json.dumps(told))) == event


def test_a_replay_shows_the_build_marked_as_a_recording() -> None:
    screen = Pictures()
    recording = read_recording(kept(*EVENTS, Finished(BUILT)))
    replay(recording, screen, 0)
    assert screen.ends[0].heading.startswith(f"Built: {IMAGE} (a recording of 20")
    assert screen.ends[0].steps == BUILT.steps
    assert all("a recording of" in card.title for card in screen.cards)
    assert screen.events[0] == Notice(f"This is {recording.mark}, no build")
    assert screen.events[2:-1] == [Started(IMAGE, 4), *EVENTS[1:]]


def test_a_recording_tells_no_place_of_the_machine() -> None:
    text = gzip.decompress(kept(*EVENTS, Finished(BUILT)).read_bytes()).decode()
    assert "/logs" not in text
    first = json.loads(text.splitlines()[0])
    assert sorted(first["versions"]) == ["envd", "envd_magic", "flytekit", "python"]


def test_a_failed_build_is_shown_with_its_field_marked() -> None:
    screen = Pictures()
    result = replace(FAILED, steps=(*BUILT.steps[:1], replace(FAILED.steps[1], field="packages")))
    replay(read_recording(kept(*EVENTS, Finished(result))), screen, 0)
    assert screen.ends[0].state == "failed"
    assert [line.text for line in screen.ends[0].spec if line.marked] == ["    packages=['attrs'],"]


def rewritten(path: Path, *times: float) -> Path:
    """Give the recording with other times."""
    first, *lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    told = [{**json.loads(line), "at": at} for line, at in zip(lines, times, strict=True)]
    target = path.with_name("slow.jsonl")
    target.write_text("\n".join([first, *map(json.dumps, told)]) + "\n")
    return target


@pytest.mark.parametrize(("speed", "waited"), [(1, 30), (10, 3), (0, 0)])
def test_it_takes_the_time_that_the_build_took_or_less(
    speed: float, waited: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every picture is shown.
    monkeypatch.setattr(display, "_PAUSE", -1.0)
    monkeypatch.setattr(display, "_IDLE_PAUSE", -1.0)
    path = rewritten(kept(PhaseChanged(Phase.BUILD), Finished(BUILT)), 0, 20, 30)
    waits: list[float] = []
    screen = Pictures()
    replay(read_recording(path), screen, speed, waits.append)
    assert sum(waits) == pytest.approx(waited)
    if speed:
        # At whatever speed, the times are the build's own.
        assert "· 30.0 s" in screen.cards[-1].status


def test_a_recording_that_ends_early_says_so() -> None:
    path = kept(*EVENTS, Finished(BUILT))
    path.write_bytes(path.read_bytes()[:-40])
    screen = Pictures()
    replay(read_recording(path), screen, 0)
    assert screen.ends[0].notes == ("the recording ends before the build did",)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "is no recording of a build"),
        (b"\x1f\x8bbroken", "is no recording of a build"),
        (b"{}\n", "is no recording of a build"),
        (b"[" * 100_000, "is no recording of a build"),
        (b'{"envd_magic_recording": 9}\n', "another version of envd_magic"),
        (b'{"envd_magic_recording": 1}\n', "first line is broken"),
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(content)
    result = run("replay", path)
    assert result.exit_code == 2
    assert f"error: {path}: " in result.stderr
    assert expected in result.stderr
    with pytest.raises(FileError, match=expected):
        shell().do(f"%envd replay {path}")


@pytest.mark.parametrize("line", ["x", "[]", '{"at": 1}', '{"at": 1, "event": "phase"}', "{}"])
def test_a_foreign_line_is_refused(tmp_path: Path, line: str) -> None:
    first = gzip.decompress(kept().read_bytes()) or b""
    path = tmp_path / "x.jsonl"
    path.write_bytes(first + line.encode() + b"\n")
    result = run("replay", path)
    assert result.exit_code == 2
    assert "Traceback" not in result.output


def test_a_spec_of_a_recording_is_not_run(tmp_path: Path) -> None:
    lines = gzip.decompress(kept(Finished(FAILED)).read_bytes()).decode().splitlines()
    first = {**json.loads(lines[0]), "spec": f"ImageSpec(name=open('{tmp_path}/ran', 'w').name)"}
    path = tmp_path / "x.jsonl"
    path.write_text("\n".join([json.dumps(first), *lines[1:]]) + "\n")
    result = run("replay", "--speed", "0", path)
    assert "its spec cannot be read" in result.stderr
    assert not (tmp_path / "ran").exists()


def test_a_copy_is_packed_as_its_name_says(tmp_path: Path) -> None:
    source = kept(*EVENTS, Finished(BUILT))
    copy_recording(source, tmp_path / "a.jsonl")
    copy_recording(source, tmp_path / "a.jsonl.gz")
    assert (tmp_path / "a.jsonl").read_bytes().startswith(b'{"envd_magic_recording"')
    assert (
        gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes())
        == (tmp_path / "a.jsonl").read_bytes()
    )


def test_old_recordings_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST", 3)
    for number in range(6):
        keeper = Keeper(SPEC, Options())
        keeper(Started(IMAGE, 1, Path(f"/logs/{number}.log")))
        keeper(Finished(BUILT))
    folder = kept_recording(Path("x.log"))
    assert folder is not None
    assert len(list(folder.parent.iterdir())) <= 3


def test_a_flood_does_not_fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_OUTPUT", 100)
    path = kept(*[Output("x" * 60 + "\n")] * 5, Finished(BUILT))
    told = [one for _, one in read_recording(path).events()]
    assert [one["event"] for one in told] == ["started", "output", "notice", "finished"]


def test_speed_is_a_number() -> None:
    from IPython.core.error import UsageError

    with pytest.raises(UsageError, match="'fast' is no number from 0 on"):
        shell().do("%envd replay x --speed fast")


def test_nothing_to_record_is_said() -> None:
    from IPython.core.error import UsageError

    with pytest.raises(UsageError, match="%envd record: nothing has been built"):
        shell().do("%envd record x.jsonl")


def test_a_build_is_recorded_by_the_magic_and_the_command_line(lab: Any, tmp_path: Path) -> None:
    from .notebooks import write

    ip = shell()
    mark = os.urandom(4).hex()
    cell = f"ImageSpec(name='recorded', commands=['echo told-{mark}'])"
    ip.do(f"%%envd_build spec --force\n{cell}")
    ip.do(f"%envd record spec {tmp_path}/a.jsonl")
    ip.do(f"%envd record {tmp_path}/b.jsonl.gz")
    shown = ip.do(f"%envd replay {tmp_path}/a.jsonl --speed 0")
    assert f" told-{mark}\n" in shown
    assert "Built: recorded:" in shown
    assert "(a recording of " in shown
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{cell}")
    assert run("build", "--record", tmp_path / "c.jsonl", path).exit_code == 0
    assert "Already there: recorded:" in run("replay", "--speed", "0", tmp_path / "c.jsonl").stdout


def test_each_image_of_a_build_has_a_recording(lab: Any, tmp_path: Path) -> None:
    from IPython.core.error import UsageError

    ip = shell()
    cell = "[ImageSpec(name=f'both{n}', env={'N': str(n)}) for n in (1, 2)]"
    ip.do(f"%%envd_build specs\n{cell}")
    with pytest.raises(UsageError, match="made 2 images, and a recording is of one"):
        ip.do(f"%envd record {tmp_path}/a.jsonl")
    ip.do(f"%envd record specs[1] {tmp_path}/a.jsonl")
    assert "both2:" in run("replay", "--speed", "0", tmp_path / "a.jsonl").stdout
    ip.do(f"%envd record {tmp_path}")
    for name in ("both1", "both2"):
        shown = run("replay", "--speed", "0", tmp_path / f"{name}.jsonl.gz").stdout
        assert f"{name}:" in shown


def test_recordings_that_are_off_are_told_and_one_that_is_asked_for_is_made(
    lab: Any, tmp_path: Path
) -> None:
    from IPython.core.error import UsageError

    from .notebooks import write

    ip = shell()
    ip.do("%config EnvdMagic.recordings = False")
    cell = f"ImageSpec(name='recorded', commands=['echo {os.urandom(4).hex()}'])"
    ip.do(f"%%envd_build spec\n{cell}")
    with pytest.raises(UsageError, match=r"no recording of this build; the setting recordings is"):
        ip.do(f"%envd record spec {tmp_path}/a.jsonl")
    (tmp_path / "pyproject.toml").write_text("[tool.envd_magic]\nrecordings = false\n")
    path = write(tmp_path / "a.ipynb", f"%%envd_build\n{cell}")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert run("build", "--record", "b.jsonl", path).exit_code == 0
        assert "Already there: recorded:" in run("replay", "--speed", "0", "b.jsonl").stdout
    assert list((tmp_path / "home").rglob("*.jsonl.gz")) == []

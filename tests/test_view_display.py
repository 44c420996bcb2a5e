"""Where a build is shown, how often, and in plain lines."""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

import pytest

from envd_magic.pipeline.events import Notice, Output, Phase, PhaseChanged, StepStarted, Tick
from envd_magic.view.cards import Card, result_card
from envd_magic.view.display import (
    NotebookScreen,
    PlainScreen,
    QuietScreen,
    TerminalScreen,
    Viewer,
    choose_screen,
)
from envd_magic.view.images import age, table
from envd_magic.view.logs import last_lines
from envd_magic.view.plain import Batches, PlainView

from .builds import BUILT, done, running

if TYPE_CHECKING:
    from pathlib import Path

    from envd_magic.pipeline.events import Event

CARD = result_card(BUILT, "trainer")


class Clock:
    """Time that passes when it is told to."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


class Recorded:
    """A screen that notes what it is shown."""

    hint = "stop it"

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.updates: list[Card] = []
        self.end: Card | None = None

    def event(self, event: Event) -> None:
        self.events.append(event)

    def update(self, card: Card) -> None:
        self.updates.append(card)

    def finish(self, card: Card) -> None:
        self.end = card


class Publisher:
    """Notes what a kernel would send."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def publish(self, **message: Any) -> None:
        self.sent.append(message)


def kernel_shell(*, allow_stdin: bool = True) -> Any:
    kernel = types.SimpleNamespace(
        get_parent=lambda _channel: {"content": {"allow_stdin": allow_stdin}}
    )
    return types.SimpleNamespace(kernel=kernel, display_pub=Publisher())


# How often.


def test_flood_of_events_is_five_pictures_a_second(clock: Clock) -> None:
    screen = Recorded()
    viewer = Viewer(screen)
    for _ in range(10_000):
        clock.now += 0.001
        viewer(Output("x\n"))
    assert 45 <= len(screen.updates) <= 51
    assert len(screen.events) == 10_000


def test_floods_of_builds_at_once_share_five_pictures_a_second(clock: Clock) -> None:
    screens = [Recorded() for _ in range(4)]
    viewers = [Viewer(screen, at_once=4) for screen in screens]
    for _ in range(10_000):
        clock.now += 0.001
        for viewer in viewers:
            viewer(Output("x\n"))
    assert 45 <= sum(len(screen.updates) for screen in screens) <= 56


def test_where_only_time_goes_on_it_is_one_picture_a_second(clock: Clock) -> None:
    screen = Recorded()
    viewer = Viewer(screen)
    for _ in range(100):
        clock.now += 0.1
        viewer(Tick())
    assert 9 <= len(screen.updates) <= 11


def test_last_line_before_a_pause_is_seen_at_the_next_tick(clock: Clock) -> None:
    screen = Recorded()
    viewer = Viewer(screen)
    for event in (*running(), Output("the last one\n")):
        viewer(event)
    clock.now += 0.25
    viewer(Tick())
    assert screen.updates[-1].log[-1] == "the last one"


def test_tail_is_as_long_as_was_asked(clock: Clock) -> None:
    screen = Recorded()
    viewer = Viewer(screen, tail=3)
    for event in running(Output("1\n2\n3\n4\n")):
        viewer(event)
    viewer.show()
    assert screen.updates[-1].log == ("2", "3", "4")


def test_screen_that_joins_and_is_interrupted_while_it_is_shown_gets_its_last_hint() -> None:
    class Interrupted(Recorded):
        def update(self, card: Card) -> None:
            super().update(card)
            if len(self.updates) == 1:
                raise KeyboardInterrupt

    viewer = Viewer(Recorded())
    screen = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        viewer.join(screen)
    viewer.leave(screen, "%envd wait 1 shows it on")
    assert screen.updates[-1].status.endswith("%envd wait 1 shows it on")


# Which screen.


def test_notebook_gets_one_output_that_is_replaced() -> None:
    shell = kernel_shell()
    screen = choose_screen(shell, "stop it")
    assert isinstance(screen, NotebookScreen)
    for _ in range(3):
        screen.update(CARD)
    screen.finish(CARD)
    sent = shell.display_pub.sent
    assert [message["update"] for message in sent] == [False, True, True, True]
    assert len({message["transient"]["display_id"] for message in sent}) == 1
    assert all({"text/plain", "text/html"} == message["data"].keys() for message in sent)


def test_two_builds_have_two_outputs() -> None:
    shell = kernel_shell()
    for _ in range(2):
        NotebookScreen(shell, "").update(CARD)
    first, second = shell.display_pub.sent
    assert not first["update"]
    assert not second["update"]
    assert first["transient"] != second["transient"]


def test_notebook_that_nobody_watches_gets_lines_and_one_output(
    capsys: pytest.CaptureFixture[str],
) -> None:
    shell = kernel_shell(allow_stdin=False)
    viewer = Viewer(choose_screen(shell, "stop it"))
    assert isinstance(viewer.screen, PlainScreen)
    for event in running(done()):
        viewer(event)
    viewer.finish(CARD)
    assert "Collecting attrs" in capsys.readouterr().out
    assert len(shell.display_pub.sent) == 1


def test_program_that_is_no_terminal_gets_lines_and_the_result_as_text(
    capsys: pytest.CaptureFixture[str],
) -> None:
    viewer = Viewer(choose_screen(types.SimpleNamespace(), "stop it"))
    for event in running(done()):
        viewer(event)
    viewer.finish(CARD)
    lines = capsys.readouterr().out.splitlines()
    assert lines.index("#2 0.1 Collecting attrs") < lines.index(f"Built: {BUILT.image}")
    assert "  Use     @task(container_image=trainer)" in lines


def test_terminal_is_drawn_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert isinstance(choose_screen(types.SimpleNamespace(), "stop it"), TerminalScreen)


def test_quiet_build_shows_nothing_but_its_end() -> None:
    inner = Recorded()
    viewer = Viewer(QuietScreen(inner))
    for event in running(done()):
        viewer(event)
    viewer.finish(CARD)
    assert (inner.events, inner.updates, inner.end) == ([], [], CARD)


# Plain lines.


def printed(events: list[Event], capsys: pytest.CaptureFixture[str]) -> list[str]:
    view = PlainView()
    for event in events:
        view(event)
    view.flush()
    return capsys.readouterr().out.splitlines()


def test_lines_phases_and_notes_come_in_order(capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Event] = [
        PhaseChanged(Phase.BASE, "debian"),
        Output("#1 0.1 \x1b[31mred\x1b[0m\n10 %\r20 %\n"),
        Notice("mind this"),
        StepStarted(1, "x"),
        Output("end\n"),
    ]
    assert printed(events, capsys) == [
        "── Looking at the base image: debian",
        "#1 0.1 red",
        "20 %",
        "note: mind this",
        "end",
    ]


def test_flood_is_cut_and_its_last_lines_are_there(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{number}\n" for number in range(200_000)]
    batches: list[Event] = [
        Output("".join(lines[at : at + 3000])) for at in range(0, len(lines), 3000)
    ]
    shown = printed([*batches, done(), Output("after it\n")], capsys)
    assert len(shown) < 6000
    assert shown[:3] == ["0", "1", "2"]
    assert shown[-4:-1] == ["199997", "199998", "199999"]
    left_out = sum(int(line.split()[1]) for line in shown if "left out" in line)
    assert left_out + sum(line.isdigit() for line in shown) == 200_000


def test_lines_that_come_slowly_are_all_there_until_there_are_thousands(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    view = PlainView()
    for number in range(7000):
        clock.now += 0.05
        view(Output(f"{number}\n"))
    view(Output("the last\n"))
    view.flush()
    shown = capsys.readouterr().out.splitlines()
    assert shown[:5000] == [str(number) for number in range(5000)]
    assert shown[-2:] == ["6999", "the last"]
    assert len(shown) < 5100
    # It says that it lives, now and then.
    assert sum("lines more" in line for line in shown) >= 5


def test_whole_view_leaves_nothing_out(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(whole=True)
    view(Output("x\n" * 20_000))
    view.flush()
    assert len(capsys.readouterr().out.splitlines()) == 20_000


def test_writes_are_few(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    monkeypatch.setattr(sys, "stdout", types.SimpleNamespace(write=written.append, flush=int))
    view = PlainView()
    with Batches() as batches:
        for _ in range(1000):
            clock.now += 0.01
            view(Output("x\n"))
            batches.add("y\n")
    view.flush()
    assert len(written) < 110
    assert "".join(written).count("y\n") == 1000


# Logs and tables.


def test_last_lines_of_a_log_are_given_with_the_count_of_the_others(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"1\n2\n10 %\r20 %\n\x1b[31mred\x1b[0m \xff\n")
    assert last_lines(log, 2) == ("20 %\nred \\xff\n", 2)
    assert last_lines(log, 0)[1] == 0


def test_columns_of_a_table_are_in_line() -> None:
    assert table([["a", "bb"], ["aaa", "b"]]) == "a    bb\naaa  b"


@pytest.mark.parametrize(
    ("days", "words"),
    [(0.001, "1 min"), (0.1, "2 h"), (1.5, "36 h"), (2, "2 days"), (40, "40 days")],
)
def test_age_in_words(days: float, words: str) -> None:
    assert age(days) == words

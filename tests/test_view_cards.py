"""What is shown of a build: its events added up; as a card, text, HTML and on a terminal."""

from __future__ import annotations

import dataclasses
import io
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from flytekit import ImageSpec
from rich.console import Console

from envd_magic.diagnosis.model import Diagnosis
from envd_magic.doctor.finding import FAIL, Finding
from envd_magic.errors import BaseImageError, BuildError, PushError, SpecError
from envd_magic.pipeline.events import (
    Finished,
    Notice,
    Output,
    Phase,
    PhaseChanged,
    Started,
    StepFailed,
    StepStarted,
    Tick,
)
from envd_magic.pipeline.result import Step
from envd_magic.spec.problems import Problem
from envd_magic.spec.secrets import spec_secrets
from envd_magic.view.cards import (
    Card,
    duration,
    result_card,
    running_card,
    size,
    stopped_card,
)
from envd_magic.view.failed import failure_card
from envd_magic.view.html import card_html
from envd_magic.view.state import BuildState
from envd_magic.view.terminal import card_rich
from envd_magic.view.text import card_text

from .builds import BUILT, FAILED, IMAGE, done, failed, running

if TYPE_CHECKING:
    from collections.abc import Iterable

    from envd_magic.pipeline.events import Event
    from envd_magic.pipeline.result import BuildResult


def added_up(events: Iterable[Event], tail: int = 12) -> BuildState:
    state = BuildState(tail=tail)
    for event in events:
        state.take(event)
    return state


def broken(
    spec: ImageSpec, error: BaseException | None = None, result: BuildResult | None = FAILED
) -> Card:
    error = error or BuildError("The step failed\n    its last words")
    return failure_card(error, spec, spec_secrets(spec), result)


def marked(card: Card) -> list[str]:
    return [line.text.strip() for line in card.spec if line.marked]


class Page(HTMLParser):
    """The words of a page and its tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside = ""
        self.feed(str(page))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag

    def handle_data(self, data: str) -> None:
        if self._inside != "style":
            self.text += f" {data}"


def on_terminal(card: Card, height: int | None = None, width: int = 80) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(card_rich(card, height))
    return out.getvalue()


# Events, added up.


def test_steps_are_told_with_what_became_of_them() -> None:
    state = added_up(running(done(seconds=1.5), StepStarted(3, "x", "", 1)))
    assert [(step.status, step.seconds) for step in state.steps[:2]] == [
        ("cached", 0.0),
        ("done", 1.5),
    ]
    assert state.steps[2].status == "running"
    assert state.done == 2


def test_step_that_ended_for_anothers_failure_has_not_failed() -> None:
    other = StepStarted(3, "send the build folder", "", 1)
    state = added_up(running(other, StepFailed(3, "", "CANCELED", "", 1), failed()))
    assert [step.status for step in state.steps] == ["cached", "failed", "stopped"]


def test_steps_of_two_platforms_are_two() -> None:
    state = added_up([Started(IMAGE, 4), *(StepStarted(1, "x", "", run) for run in (1, 2))])
    assert len(state.steps) == 2


def test_base_spec_is_shown_until_the_spec_itself_begins() -> None:
    state = added_up([*running(), Finished(BUILT), Started("other:1", 2)])
    assert (state.image, state.steps, state.log) == ("other:1", (), ())


def test_only_the_last_lines_are_kept() -> None:
    state = added_up([Output("".join(f"{n}\n" for n in range(5000)))], tail=3)
    assert state.log == ("4997", "4998", "4999")
    assert state.lines == 5000


def test_redrawn_line_counts_once() -> None:
    state = added_up([Output("#7 1.2 10 %\r20 %\r" + "30 %\nnext\n")])
    assert state.log == ("#7 1.2 30 %", "next")


def test_endless_line_does_not_fill_the_memory() -> None:
    (line,) = added_up([Output("x" * 1_000_000 + "\n")]).log
    assert len(line) < 400


def test_progress_grows_and_is_whole_at_the_end_only() -> None:
    events = [*running(done()), PhaseChanged(Phase.FINISH), PhaseChanged(Phase.DONE)]
    found = [added_up(events[:upto]).progress for upto in range(1, len(events) + 1)]
    assert found == sorted(found)
    assert found[-2] < 1 == found[-1]


def test_progress_never_passes_its_end_where_there_are_more_steps_than_thought() -> None:
    events = [StepStarted(number, "x", "", 1) for number in range(20)]
    state = added_up([Started(IMAGE, 1), *events, *(done(number) for number in range(20))])
    assert 0.9 < state.progress < 1


# A card that waits or runs.


def test_build_that_waits_for_others_says_so() -> None:
    card = running_card(BuildState(), "%envd cancel 1 ends it", "trainer")
    assert (card.title, card.status) == ("trainer", "Waiting · %envd cancel 1 ends it")


def test_time_counts_from_when_a_build_began() -> None:
    now = [100.0]
    state = BuildState(clock=lambda: now[0])
    now[0] = 400.0
    state.take(Started(IMAGE, 1))
    now[0] = 404.2
    assert "4.2 s" in running_card(state).status


def test_running_card_tells_where_it_is_and_how_to_stop_it() -> None:
    card = running_card(added_up(running()), "the stop button ends it")
    assert card.heading == f"Building: {IMAGE}"
    assert card.status.startswith("Building · ")
    assert card.status.endswith("1 of 4 steps · the stop button ends it")
    assert card.log == ("#2 0.1 Collecting attrs",)


def test_notes_are_shown_while_it_runs() -> None:
    assert running_card(added_up(running(Notice("mind this")))).notes == ("mind this",)


# A card of what came out.


def test_result_tells_image_digest_size_time_use_and_log() -> None:
    facts = dict(result_card(BUILT, "trainer").facts)
    assert facts == {
        "Image": IMAGE,
        "Digest": "sha256:" + "0123" * 16,
        "Size": "123 MB",
        "Time": "1 min 07 s",
        "Use": "@task(container_image=trainer)",
        "Log": "/logs/trainer.log",
    }


def test_image_that_was_not_pushed_is_said_to_be_local() -> None:
    card = result_card(dataclasses.replace(BUILT, pushed=False))
    assert dict(card.facts)["Digest"].endswith(" (local only)")


@pytest.mark.parametrize("known", ["Use", "Size", "Log"])
def test_what_is_not_known_is_not_shown(known: str) -> None:
    assert known not in dict(result_card(dataclasses.replace(BUILT, size=0, log_file=None)).facts)


def test_each_platform_has_its_own_name() -> None:
    names = {"linux/amd64": f"{IMAGE}-linux-amd64"}
    assert (
        names.items()
        <= dict(result_card(dataclasses.replace(BUILT, platforms=names)).facts).items()
    )


def test_image_that_was_there_is_said_to_have_been() -> None:
    assert result_card(dataclasses.replace(BUILT, status="exists")).heading.startswith(
        "Already there: "
    )


def test_stopped_build_tells_what_ran_then() -> None:
    step = Step("install", "running", 3.0)
    result = dataclasses.replace(BUILT, status="stopped", steps=(step,))
    card = stopped_card(result, "trainer")
    assert [step.status for step in card.steps] == ["stopped"]
    assert "STOPPED 3.0 s" in card_text(card)


def test_build_that_was_stopped_before_it_began_is_told_by_its_name() -> None:
    assert stopped_card(None, "trainer").heading == "Stopped: trainer"


# A card of a failure.


def test_failure_tells_its_cause_and_the_last_words() -> None:
    card = broken(ImageSpec(name="x"))
    assert (card.cause, card.log) == ("The step failed", ("its last words",))


def test_field_of_the_failed_step_is_marked() -> None:
    long = ["echo " + "a" * 40, "echo " + "b" * 40]
    card = broken(ImageSpec(name="x", commands=long, packages=["attrs"]))
    assert marked(card) == ["commands=[", *(f"{line!r}," for line in long), "],"]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (BaseImageError("no"), "base_image='debian:0',"),
        (PushError("no"), "registry='localhost:1',"),
    ],
)
def test_field_of_a_stage_that_failed_is_marked(error: Exception, line: str) -> None:
    spec = ImageSpec(name="x", base_image="debian:0", registry="localhost:1")
    result = dataclasses.replace(FAILED, steps=(), image=spec.image_name())
    assert marked(broken(spec, error, result)) == [line]


def test_fields_that_are_refused_are_marked() -> None:
    spec = ImageSpec(name="x", packages=["a b"], apt_packages=["git"], env={"1": "a"})
    card = broken(spec, SpecError(Problem("packages", "no"), Problem("env", "no")), None)
    assert marked(card) == ["packages=['a b'],", "env={", "'1': 'a',", "},"]


def test_field_of_a_base_spec_is_marked_in_the_base_spec() -> None:
    base = ImageSpec(name="base", commands=["false"], env={"A": "1"})
    spec = ImageSpec(name="x", base_image=base, commands=["true"])
    found = dataclasses.replace(FAILED, image=base.image_name())
    assert marked(broken(spec, result=found)) == ["commands=['false'],"]
    refused = SpecError(Problem("base_image.env", "no"))
    assert marked(broken(spec, refused, None)) == ["env={", "'A': '1',", "},"]


def test_field_after_a_base_spec_is_marked_as_the_specs_own() -> None:
    base = ImageSpec(name="base", commands=["false"])
    spec = ImageSpec(name="x", base_image=base, commands=["true"])
    found = dataclasses.replace(FAILED, image=spec.image_name())
    assert marked(broken(spec, result=found)) == ["commands=['true'],"]


def test_secrets_are_masked_in_the_cause_the_log_and_the_spec() -> None:
    spec = ImageSpec(
        name="x",
        env={"API_TOKEN": "hush-hush-42"},
        pip_index="https://me:pass-word@index.example/simple",
    )
    card = broken(spec, BuildError("hush-hush-42\n    got hush-hush-42 and pass-word"))
    for text in (card_text(card), str(card_html(card)), on_terminal(card)):
        assert "hush-hush" not in text
        assert "pass-word" not in text
        assert "****" in text


def test_error_without_a_text_is_told_by_its_kind() -> None:
    assert broken(ImageSpec(), ValueError()).cause == "ValueError"


# One card, three forms.

CARDS = {
    "running": running_card(added_up(running(Notice("mind this"))), "the stop button ends it"),
    "built": result_card(BUILT, "trainer"),
    "failed": broken(ImageSpec(name="x", commands=["false"], packages=["attrs"])),
    "stopped": stopped_card(dataclasses.replace(BUILT, status="stopped"), "trainer"),
}


def values(card: Card) -> list[str]:
    """Give all that a card has to show, in words."""
    found = [card.title, card.status, card.cause, *card.notes, *card.log]
    found += [word for fact in card.facts for word in fact]
    found += [step.name for step in card.steps] + [step.field for step in card.steps]
    return [*found, *(line.text.strip() for line in card.spec)]


@pytest.mark.parametrize("state", CARDS)
def test_text_page_and_terminal_show_all_of_a_card(state: str) -> None:
    card = CARDS[state]
    for shown in (card_text(card), Page(str(card_html(card))).text, on_terminal(card, width=200)):
        words = " ".join(shown.split())
        assert [text for text in values(card) if " ".join(text.split()) not in words] == []


HOSTILE = "<script>x</script>&\"'{0}\x1b[31m\x1b]0;t\x07\x9b"


def test_nothing_that_a_user_writes_becomes_markup_or_moves_a_cursor() -> None:
    step = Step(HOSTILE, "failed", 1.0, HOSTILE)
    result = dataclasses.replace(FAILED, steps=(step,), image=HOSTILE, warnings=(HOSTILE,))
    card = broken(ImageSpec(name="x", commands=[HOSTILE]), BuildError(f"{HOSTILE}\n{HOSTILE}"))
    state = added_up([Started(HOSTILE, 1), StepStarted(1, HOSTILE), Output(f"{HOSTILE}\n")])
    for shown in (card, result_card(result, HOSTILE), running_card(state, HOSTILE)):
        page = Page(str(card_html(shown)))
        assert "script" not in {tag for tag, _ in page.tags}
        assert HOSTILE[:20] in page.text
        for text in (card_text(shown), on_terminal(shown)):
            assert not {"\x1b", "\x07", "\x9b"} & set(text)


@pytest.mark.parametrize("state", CARDS)
def test_page_has_names_for_those_who_hear_it(state: str) -> None:
    tags = Page(str(card_html(CARDS[state]))).tags
    (card,) = [attributes for _, attributes in tags if attributes.get("role") == "group"]
    assert card["aria-label"] == f"envd build. {CARDS[state].heading}"
    for tag, attributes in tags:
        if tag in ("pre", "table") and attributes.get("role") in ("log", "table"):
            assert attributes.get("aria-label")


def test_progress_is_told_as_a_number() -> None:
    bars = [a for _, a in Page(str(card_html(CARDS["running"]))).tags if "aria-valuenow" in a]
    assert [bar["role"] for bar in bars] == ["progressbar"]


def test_steps_of_a_result_are_folded_with_their_count() -> None:
    page = Page(str(card_html(CARDS["built"])))
    assert "2 steps, 1 cached" in page.text
    assert ("details", {}) in page.tags


def test_card_of_a_result_is_small_in_a_notebook() -> None:
    assert len(card_html(CARDS["built"]).encode()) < 5000


def test_card_fits_a_terminal_of_few_lines() -> None:
    events: list[Event] = [StepStarted(number, f"step {number}") for number in range(50)]
    events += [Output("".join(f"line {number}\n" for number in range(50)))]
    card = running_card(added_up([Started(IMAGE, 4), *events]))
    shown = on_terminal(card, height=20)
    assert len(shown.splitlines()) <= 20
    assert "step 49" in shown
    assert "line 49" in shown


def test_line_that_is_evidence_is_not_told_twice_for_its_indent() -> None:
    error = BuildError("no\n    Using Python\n      cause: timed out")
    error.diagnosis = Diagnosis("index-away", "", None, "no answer", ("cause: timed out",))
    assert broken(ImageSpec(name="x"), error).log == ("Using Python", "  cause: timed out")


@pytest.mark.parametrize("state", ["failed", "lacking"])
def test_findings_of_a_report_have_a_heading_in_every_form(state: str) -> None:
    card = Card(state, "x", cause="no", findings=(Finding("engine", FAIL, "gone"),))
    for shown in (card_text(card), Page(str(card_html(card))).text, on_terminal(card)):
        assert ("Doctor, when the report was made" in shown) is (state == "failed")


def test_narrow_terminal_shows_all_of_a_failure() -> None:
    command = f"echo {'a' * 60} the-end"
    card = broken(ImageSpec(name="x", commands=[command]), BuildError(f"no\n    {'b' * 70}-last"))
    shown = "".join(on_terminal(card, width=50).split())
    assert "the-end" in shown
    assert f"{'b' * 70}-last" in shown


def test_narrow_terminal_shows_how_a_build_that_runs_is_stopped() -> None:
    card = running_card(added_up([Started(IMAGE, 4)]), "Ctrl-C stops it")
    half = dataclasses.replace(card, progress=0.5)
    shown = on_terminal(half, height=20, width=50).splitlines()
    assert "Ctrl-C stops it" in "\n".join(shown)
    (bar,) = [line for line in shown if "━" in line]
    assert not bar.strip(" ━╺╸")


# Numbers in words.


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0.0 s"), (4.25, "4.2 s"), (59.94, "59.9 s"), (60, "1 min 00 s"), (187.9, "3 min 07 s")],
)
def test_seconds_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize("seconds", [59.95, 59.99, 59.999])
def test_nearly_a_minute_is_a_minute(seconds: float) -> None:
    assert duration(seconds) == "1 min 00 s"


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (25_000_000, "25 MB"), (2.5e9, "2.50 GB")],
)
def test_bytes_in_words(count: float, words: str) -> None:
    assert size(count) == words


def test_bytes_just_below_a_unit_are_not_a_thousand_of_it() -> None:
    assert size(999_999_999) == "1.00 GB"


def test_events_that_say_nothing_change_nothing() -> None:
    events: list[Any] = running()
    before, after = added_up(events), added_up([*events, Tick()])
    assert before.log == after.log
    assert [step.name for step in before.steps] == [step.name for step in after.steps]

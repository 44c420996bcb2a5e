"""envd's output: nothing of it lost, and what it tells of each step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envd_magic.envd.progress import (
    LONGEST_LINE,
    LineSplitter,
    Output,
    ProgressReader,
    StepCached,
    StepDone,
    StepEvent,
    StepFailed,
    StepStarted,
)
from envd_magic.spec.secrets import Secrets

# Pieces of which real output is made, so that chunks begin and end in all of them.
_PIECES = st.sampled_from(
    [
        "#1 [internal] a",
        "#2 bash -c set -euo pipefail\necho",
        "#1 0.1 text",
        "#2 0.25 text#2 DONE 0.3s",
        "#0 0.1 early",
        "#0 0.1 early#1 DONE 0.2s",
        "#2 ERROR: executor failed running [bash -c x",
        "]: exit code: 1",
        "#1 CACHED",
        "#2 DONE 1.0s",
        "#2 ERROR: exit code: 1",
        "#1 CANCELED",
        "#1 ...",
        "------",
        " > bash -c x:",
        "",
        'time="x" level=fatal msg=exit error="a \\"b\\""',
        "#",
        "# 1",
        "#3",
        "-------",
        "é",
        "\r",
    ]
)
_STREAMS = st.lists(_PIECES, min_size=1, max_size=30).map("\n".join).map(lambda text: text + "\n")


def _split(chunks: list[bytes]) -> str:
    splitter = LineSplitter()
    return "".join([*(splitter.feed(chunk) for chunk in chunks), splitter.end()])


def _cut(content: bytes, places: list[int]) -> list[bytes]:
    borders = sorted({place % (len(content) + 1) for place in places} | {0, len(content)})
    return [content[a:b] for a, b in zip(borders, borders[1:], strict=False)]


def _events(text: str) -> list[StepEvent]:
    return [event for event in ProgressReader().read(text) if not isinstance(event, Output)]


def _in_pieces(text: str, places: list[int]) -> list[Output | StepEvent]:
    """What comes of a text in pieces of whole lines."""
    lines = text.splitlines(keepends=True) if "\r" not in text else _whole_lines(text)
    borders = sorted({place % (len(lines) + 1) for place in places} | {0, len(lines)})
    reader = ProgressReader()
    return [
        event
        for a, b in zip(borders, borders[1:], strict=False)
        for event in reader.read("".join(lines[a:b]))
    ]


def _whole_lines(text: str) -> list[str]:
    return [f"{line}\n" for line in text[:-1].split("\n")]


# Lines.


def test_line_is_given_when_it_is_whole() -> None:
    splitter = LineSplitter()
    assert [splitter.feed(chunk) for chunk in (b"ab", b"c\nd", b"e\n")] == ["", "abc\n", "de\n"]


def test_several_lines_are_given_as_one_text() -> None:
    assert LineSplitter().feed(b"a\nb\nc") == "a\nb\n"


def test_letter_of_several_bytes_may_be_split_over_chunks() -> None:
    assert _split([b"\xf0", b"\x9f", b"\x98", b"\x80\n"]) == "😀\n"


def test_broken_bytes_are_shown_as_such() -> None:
    assert _split([b"a\xffb\xe2\x82\n"]) == "a\\xffb\\xe2\\x82\n"


def test_letter_that_is_cut_off_at_the_end_is_shown_as_bytes() -> None:
    assert _split([b"a\xe2\x82"]) == "a\\xe2\\x82\n"


def test_last_line_without_an_end_is_given_at_the_end() -> None:
    assert _split([b"a\nb"]) == "a\nb\n"


def test_end_gives_nothing_twice() -> None:
    splitter = LineSplitter()
    splitter.feed(b"a")
    assert [splitter.end(), splitter.end()] == ["a\n", ""]


def test_nothing_gives_nothing() -> None:
    assert _split([b"", b""]) == ""


def test_empty_lines_stay() -> None:
    assert _split([b"\n\na\n\n"]) == "\n\na\n\n"


def test_carriage_return_is_no_line_end() -> None:
    assert _split([b"10%\r20%\r\n"]) == "10%\r20%\r\n"


def test_huge_line_does_not_wait_for_its_end() -> None:
    splitter = LineSplitter()
    given_at_once = splitter.feed(b"x" * LONGEST_LINE)
    assert len(given_at_once) > 0.99 * LONGEST_LINE
    assert (given_at_once + splitter.end()).count("x") == LONGEST_LINE


@pytest.mark.parametrize("before", [1, 7, 14])
def test_secret_is_not_seen_where_an_endless_line_is_cut(before: int) -> None:
    secrets = Secrets(["sesame-sesame"])
    splitter = LineSplitter(secrets.mask)
    line = b"x" * (LONGEST_LINE - before) + b"sesame-sesame" + b"x" * LONGEST_LINE + b"\n"
    chunks = [line[at : at + 65_536] for at in range(0, len(line), 65_536)]
    text = secrets.mask("".join(map(splitter.feed, chunks)))
    assert text.count("\n") > 1
    assert text.replace("\n", "").count("****") == 1
    assert text.count("x") == line.count(b"x")


def test_nothing_of_a_huge_line_is_lost() -> None:
    chunk = b"x" * 65_536
    text = _split([chunk] * 40 + [b"\nlast\n"])
    assert text.count("x") == 40 * len(chunk)
    assert text.endswith("x\nlast\n")
    assert max(map(len, text.split("\n"))) < 2 * LONGEST_LINE


@given(text=st.text(), places=st.lists(st.integers(min_value=0), max_size=8))
def test_any_text_is_the_same_in_any_chunks(text: str, places: list[int]) -> None:
    content = text.encode("utf-8", "replace")
    whole = content.decode()
    assert _split(_cut(content, places)) == whole + ("\n" if whole and whole[-1] != "\n" else "")


@given(content=st.binary(), places=st.lists(st.integers(min_value=0), max_size=8))
def test_any_bytes_are_the_same_in_any_chunks(content: bytes, places: list[int]) -> None:
    assert _split(_cut(content, places)) == _split([content])


# Events.


@given(text=_STREAMS, places=st.lists(st.integers(min_value=0), max_size=8))
def test_output_is_told_whole_and_in_order(text: str, places: list[int]) -> None:
    told = _in_pieces(text, places)
    assert "".join(event.text for event in told if isinstance(event, Output)) == text


@given(text=st.text().map(lambda text: text + "\n"))
def test_any_output_is_told_whole(text: str) -> None:
    told = ProgressReader().read(text)
    assert "".join(event.text for event in told if isinstance(event, Output)) == text


@given(text=_STREAMS, places=st.lists(st.integers(min_value=0), max_size=8))
def test_ends_of_steps_are_the_same_in_any_chunks(text: str, places: list[int]) -> None:
    def ends(events: list[Output | StepEvent]) -> list[tuple[type, int]]:
        kinds = (StepCached, StepDone, StepFailed)
        return [(type(event), event.number) for event in events if isinstance(event, kinds)]

    assert ends(_in_pieces(text, places)) == ends(_in_pieces(text, []))


@given(text=_STREAMS)
def test_step_ends_once_at_most(text: str) -> None:
    ended = [event.number for event in _events(text) if not isinstance(event, StepStarted)]
    assert len(ended) == len(set(ended))


@given(text=_STREAMS)
def test_step_begins_before_it_ends(text: str) -> None:
    begun: set[int] = set()
    for event in _events(text):
        if isinstance(event, StepStarted):
            begun.add(event.number)
        assert event.number in begun


def test_lines_of_output_come_without_their_ends() -> None:
    assert Output("a\n\nb\n").lines == ["a", "", "b"]


def test_step_is_told_from_its_beginning_to_its_end() -> None:
    text = "#5 [internal] pip install attrs\n#5 0.771 Collecting attrs\n#5 DONE 1.0s\n"
    name = "[internal] pip install attrs"
    assert _events(text) == [StepStarted(5, name), StepDone(5, name, 1.0)]


def test_end_of_a_step_comes_after_its_output() -> None:
    text = "#5 a\n\n#5 0.1 one\n#5 0.2 two\n#5 DONE 1.0s\n"
    told = list(ProgressReader().read(text))
    assert told[-1] == StepDone(5, "a", 1.0)
    assert isinstance(told[-2], Output)
    assert told[-2].lines[-1] == "#5 DONE 1.0s"


def test_cached_step_is_told_as_such() -> None:
    assert _events("#5 a\n#5 CACHED\n") == [StepStarted(5, "a"), StepCached(5, "a")]


def test_failed_step_is_told_with_its_error() -> None:
    error = "executor failed running [bash -c exit 3]: exit code: 3"
    assert _events(f"#5 a\n#5 ERROR: {error}\n") == [StepStarted(5, "a"), StepFailed(5, "a", error)]


def test_cancelled_step_is_told_as_failed() -> None:
    assert _events("#5 a\n#5 CANCELED\n") == [StepStarted(5, "a"), StepFailed(5, "a", "CANCELED")]


def test_steps_that_take_turns_are_told_apart() -> None:
    text = (
        "#5 a\n#5 0.1 x\n#5 ...\n\n#6 b\n#6 0.1 y\n#6 DONE 0.2s\n\n#5 a\n#5 0.3 z\n#5 DONE 0.4s\n"
    )
    assert _events(text) == [
        StepStarted(5, "a"),
        StepStarted(6, "b"),
        StepDone(6, "b", 0.2),
        StepDone(5, "a", 0.4),
    ]


def test_step_that_gets_its_turn_again_does_not_begin_again() -> None:
    assert _events("#5 a\n\n#5 a\n\n#5 a\n") == [StepStarted(5, "a")]


def test_name_of_several_lines_is_read_to_its_end() -> None:
    text = "#7 bash -c set -euo pipefail\n# envd_magic: commands\necho\n\n#7 0.1 x\n#7 DONE 0.1s\n"
    name = "bash -c set -euo pipefail\n# envd_magic: commands\necho"
    assert _events(text)[-1] == StepDone(7, name, 0.1)


def test_name_of_several_lines_ends_where_a_step_goes_on() -> None:
    assert _events("#7 a\nb\n#7 0.1 x\n#7 DONE 0.1s\n")[-1] == StepDone(7, "a\nb", 0.1)


def test_name_may_come_in_two_chunks() -> None:
    assert [
        event
        for event in _in_pieces("#7 a\nb\n\n#7 DONE 0.1s\n", [1])
        if isinstance(event, StepDone)
    ] == [StepDone(7, "a\nb", 0.1)]


@pytest.mark.parametrize("end", ["DONE 0.2s", "CANCELED", "ERROR: exit code: 1"])
def test_end_that_is_glued_to_an_unfinished_line_counts(end: str) -> None:
    told = _events(f"#4 a\n#4 0.163 text#4 {end}\n")
    assert len(told) == 2
    assert not isinstance(told[1], StepStarted)
    assert told[1].number == 4


def test_text_of_a_step_does_not_end_it() -> None:
    assert _events("#4 a\n#4 0.1 DONE 0.2s\n#4 0.2 CACHED\n#4 0.3 ERROR: x\n") == [
        StepStarted(4, "a")
    ]


def test_text_of_one_step_does_not_end_another() -> None:
    assert _events("#4 a\n#5 b\n#4 0.1 saw #5 DONE 0.2s\n") == [
        StepStarted(4, "a"),
        StepStarted(5, "b"),
    ]


def _lines_of_failure(text: str, places: list[int] | None = None) -> tuple[str, ...]:
    failures = (event for event in _in_pieces(text, places or []) if isinstance(event, StepFailed))
    return next(event.lines for event in failures if not event.cancelled)


def test_failed_step_is_told_with_its_last_lines() -> None:
    lines = "".join(f"#5 0.1 line {number}\n" for number in range(30))
    expected = tuple(f"line {number}" for number in range(20, 30))
    assert _lines_of_failure(f"#5 a\n{lines}#5 ERROR: x\n") == expected


def test_lines_written_before_the_step_had_a_number_are_its_own() -> None:
    # As a real envd has it where a step ends at once.
    text = "#1 z\n#1 ...\n\n#2 bash -c\nexit 4\n\n#0 0.2 a\n#0 0.2 \n#0 0.2 b\n#2 ERROR: x\n"
    assert _lines_of_failure(text) == ("a", "", "b")


def test_unfinished_line_before_the_step_had_a_number_ends_it() -> None:
    text = "#2 b\n#0 0.1 one\n#0 0.1 half#2 ERROR: x\n"
    assert _lines_of_failure(text) == ("one", "half")


def test_last_lines_are_those_of_the_step_and_not_of_one_that_took_turns() -> None:
    text = "#5 a\n#5 0.1 x\n#5 ...\n\n#6 b\n#0 0.1 y\n#6 ...\n\n#5 a\n#5 0.3 z\n#5 ERROR: x\n"
    assert _lines_of_failure(text) == ("x", "z")


def test_same_line_written_twice_is_told_twice() -> None:
    assert _lines_of_failure("#5 a\n#5 0.1 x\n#5 0.2 x\n#5 ERROR: x\n") == ("x", "x")


def test_last_lines_may_hold_signs_of_other_steps() -> None:
    text = "#5 a\n#5 0.1 # one\n#5 0.1 see #7\n#5 0.1 saw #4 DONE 0.1s\n#5 ERROR: x\n"
    assert _lines_of_failure(text) == ("# one", "see #7", "saw #4 DONE 0.1s")


def test_command_that_an_error_names_begins_no_step() -> None:
    text = (
        "#2 a\n#3 b\n#2 ERROR: executor failed running [bash -c\n#9 x\n------\n#3 DONE 0.1s\n"
        "]: exit code: 3\n#3 DONE 0.2s\n------\n > bash -c\n:\n#2 0.1 x\n------\n"
    )
    assert _events(text)[2:] == [
        StepFailed(2, "a", "executor failed running [bash -c"),
        StepDone(3, "b", 0.2),
    ]


@given(text=_STREAMS, places=st.lists(st.integers(min_value=0), max_size=8))
def test_last_lines_are_the_same_in_any_chunks(text: str, places: list[int]) -> None:
    def lines(events: list[Output | StepEvent]) -> list[tuple[str, ...]]:
        return [event.lines for event in events if isinstance(event, StepFailed)]

    assert lines(_in_pieces(text, places)) == lines(_in_pieces(text, []))


_FAILURE = """\
#4 [internal] first
#4 DONE 0.1s

#6 bash -c set -euo pipefail
exit 3

#6 0.2 last words
#6 ERROR: exit code: 3
------
 > bash -c set -euo pipefail
exit 3
:
#6 0.2 last words
#9 CACHED
------
time="2026-01-01T00:00:00Z" level=fatal msg=exit app=envd error="failed: \\"x\\"\\nline" version=v1
"""


def test_repetition_at_the_end_of_a_failed_build_is_no_news() -> None:
    assert [type(event) for event in _events(_FAILURE)] == [
        StepStarted,
        StepDone,
        StepStarted,
        StepStarted,
        StepFailed,
    ]


def test_repetition_at_the_end_stays_in_the_output() -> None:
    told = ProgressReader().read(_FAILURE)
    assert "".join(event.text for event in told if isinstance(event, Output)) == _FAILURE


def test_steps_after_a_repetition_are_read_again() -> None:
    assert _events("------\n#1 x\n------\n#2 b\n") == [StepStarted(2, "b")]


def test_why_envd_failed_is_read_without_its_quoting() -> None:
    reader = ProgressReader()
    list(reader.read(_FAILURE))
    assert reader.error == 'failed: "x"\nline'


def test_backslash_in_why_envd_failed_is_one_backslash() -> None:
    reader = ProgressReader()
    list(reader.read('level=fatal error="C:\\\\new \\\\\\"q\\\\\\""\n'))
    assert reader.error == 'C:\\new \\"q\\"'


def test_last_of_several_errors_counts() -> None:
    reader = ProgressReader()
    list(reader.read('level=error error="one"\nlevel=fatal error="two"\n'))
    assert reader.error == "two"


@pytest.mark.parametrize(
    "line", ['level=info error="x"', 'level=warning msg="x" error="y"', "level=fatal msg=exit"]
)
def test_line_that_is_no_failure_is_no_error(line: str) -> None:
    reader = ProgressReader()
    list(reader.read(f"{line}\n"))
    assert reader.error is None

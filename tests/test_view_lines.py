"""Lines of a log as people see them."""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from envd_magic.view.lines import coloured, plain, tidy, to_html

RED = "\x1b[31m"
OFF = "\x1b[0m"
# Text with what terminals obey strewn in.
texts = st.lists(
    st.one_of(
        st.text(st.characters(exclude_characters="\n", codec="utf-8"), max_size=8),
        st.sampled_from([RED, OFF, "\x1b[1;38;5;200m", "\x1b[38;2;1;2;999m", "\x1b[2K", "\x1b[A"]),
        st.sampled_from(["\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x1b", "\x9b", "\r", "\t"]),
        st.sampled_from(["<b>", "</pre>", "&amp;", "<script>", '"', "'", "{0}"]),
    )
).map("".join)


class Tags(HTMLParser):
    """Notes the tags, their attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes.update(f"{name}={value}" for name, value in attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


# Redraws.


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("10 %\r20 %\r30 %", "30 %"),
        ("10 %\r20 %\r", "20 %"),
        ("#7 1.25 10 %\r20 %", "#7 1.25 20 %"),
        ("#7 1.25 10 %\r#7 1.25 20 %", "#7 1.25 20 %"),
        ("from windows\r", "from windows"),
        ("nothing of it", "nothing of it"),
    ],
)
def test_redrawn_line_is_seen_as_it_was_last(written: str, seen: str) -> None:
    assert tidy(written) == seen


def test_long_line_is_cut_and_says_how_long_it_was() -> None:
    assert tidy("x" * 500, 10) == "xxxxxxxxxx… (500 characters)"


@pytest.mark.parametrize("at", range(9, 15))
def test_line_is_not_cut_inside_a_colour(at: int) -> None:
    shown = plain(tidy(f"123456789{RED}red" + "x" * 99, at))
    assert re.fullmatch(r"123456789r?e?d?x*… \(\d+ characters\)", shown)


# Colours and what else a terminal obeys.


@pytest.mark.parametrize(
    "noise", ["\x1b[2K", "\x1b[A", "\x1b]0;title\x07", "\x1b]8;;http://x\x1b\\", "\x1b(B", "\x08"]
)
def test_what_moves_a_cursor_or_sets_a_title_is_not_seen(noise: str) -> None:
    text = f"a{noise}b"
    # What chooses a character set takes one more letter, which may stay.
    assert {plain(text), coloured(text), str(to_html(text))} <= {"ab", "aBb", "a(Bb"}


def test_colours_are_kept_on_a_page_and_left_out_of_text() -> None:
    text = f"a {RED}red{OFF} b"
    assert plain(text) == "a red b"
    assert re.fullmatch(r'a <span style="color:#\w{6}">red</span> b', to_html(text))


@pytest.mark.parametrize(
    ("code", "rule"),
    [
        ("1", "font-weight:bold"),
        ("3", "font-style:italic"),
        ("4", "text-decoration:underline"),
        ("38;5;208", "color:#ff8700"),
        ("38;2;1;2;3", "color:#010203"),
    ],
)
def test_styles_of_a_terminal_become_styles_of_a_page(code: str, rule: str) -> None:
    assert f'style="{rule}"' in to_html(f"\x1b[{code}mx")


@pytest.mark.parametrize("code", ["30", "37", "97", "39"])
def test_black_and_white_are_the_pages_own(code: str) -> None:
    assert to_html(f"\x1b[{code}mx") == "x"


def _brightness(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(w * p for w, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


@pytest.mark.parametrize("code", [*range(31, 37), *range(90, 97)])
@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
def test_colours_can_be_read_on_light_and_on_dark_pages(code: int, page: str) -> None:
    match = re.search(r"color:(#\w{6})", to_html(f"\x1b[{code}mx"))
    assert match is not None
    high, low = sorted((_brightness(match[1]), _brightness(page)), reverse=True)
    assert (high + 0.05) / (low + 0.05) >= 3


# Whatever a build writes.


@given(texts)
@example("<script>alert(1)</script>")
@example("\x1b[31;<b>m")
def test_no_text_becomes_markup(text: str) -> None:
    page = Tags(str(to_html(text)))
    assert page.tags <= {"span"}
    assert all(re.fullmatch(r"style=[a-z#0-9:;-]+", item) for item in page.attributes)


@given(st.text(st.characters(exclude_categories=["C"])))
def test_text_without_controls_arrives_whole(text: str) -> None:
    assert html.unescape(to_html(text)) == text
    assert plain(text) == text
    assert coloured(text) == text


@given(texts)
def test_page_and_text_say_the_same(text: str) -> None:
    assert Tags(str(to_html(text))).text == plain(coloured(text))


@given(texts)
def test_nothing_but_colours_reaches_a_terminal(text: str) -> None:
    left = re.sub(r"\x1b\[[\d;:]*m", "", coloured(text))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", left)


@given(texts, st.integers(1, 40))
def test_cut_line_says_no_more_than_it_may(text: str, widest: int) -> None:
    shown = tidy(text, widest)
    assert len(shown) <= widest + len(f"… ({len(text) + 20} characters)")

"""Words over what was heard: nothing of a text is lost, and no time goes back."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.catalog.entries.thai_subtitle import parse_script, scripted
from app.media.captions import Frame, lay_out, settle
from app.media.transcript import Span, Transcript, clean, time_words, tokens

WORDS = ("สวัสดี", "ครับ", "วันนี้", "อากาศ", "ดี", "มาก", "น้ำ", "แม่น้ำ", "ฯลฯ", "เก่งๆ", "hello", "2026", "…", "!", "AI")
FRAME = Frame(640, 360)
texts = st.lists(st.sampled_from([*WORDS, " ", " "]), min_size=1, max_size=30).map("".join).map(clean).filter(str.strip)
texts = texts.map(str.strip)


@st.composite
def heard(draw: st.DrawFn, text: str) -> list[Span]:
    """The text as a recogniser gives it: in fragments, some of them wrong, missing or of no length."""
    spans, at, now = [], 0, draw(st.floats(0, 2))
    while at < len(text):
        length = draw(st.integers(1, 4))
        lasts = draw(st.sampled_from([0.0, 0.05, 0.2, 0.6]))
        kind = draw(st.sampled_from(["right", "right", "right", "wrong", "missing"]))
        if kind != "missing":
            spans.append(Span(text[at : at + length] if kind == "right" else "กข", now, now + lasts))
        now += lasts
        at += length
    return spans


@st.composite
def spoken(draw: st.DrawFn) -> tuple[str, list[Span], float]:
    """A text, what was heard of it, and when the last of it ends."""
    text = draw(texts)
    spans = draw(heard(text))
    return text, spans, max((span.end for span in spans), default=1.0) + draw(st.sampled_from([0.0, 0.5]))


@given(spoken())
def test_words_joined_are_the_text_and_times_never_go_back(told: tuple[str, list[Span], float]) -> None:
    text, spans, end = told
    words = time_words(text, spans, start=0.0, end=end)

    assert "".join(word.text for word in words) == text
    assert all(word.text.strip() for word in words)
    assert all(0 <= word.start <= word.end <= end + 1e-9 for word in words)
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(words))


@given(spoken(), st.sampled_from([-0.3, 0.0, 0.3]))
def test_captions_hold_every_word_in_turn_and_stay_in_the_film(
    told: tuple[str, list[Span], float], offset: float
) -> None:
    text, spans, end = told
    words = time_words(text, spans, start=0.0, end=end)
    captions = lay_out(words, FRAME)
    settled = settle(captions, offset_s=offset, duration_s=end)

    assert [word for caption in captions for line in caption.lines for word in line] == words
    assert all(1 <= len(caption.lines) <= 2 for caption in captions)
    assert all(0 <= caption.start < caption.end <= end + 1e-9 for caption in settled)
    assert all(one.end <= other.start + 1e-9 for one, other in pairwise(settled))


def test_what_was_heard_gives_its_words_their_times() -> None:
    pieces = ("สวัส", "ดีค", "รับ", " วัน", "นี้")
    spans = [Span(piece, 1 + number, 2 + number) for number, piece in enumerate(pieces)]
    words = time_words("สวัสดีครับ วันนี้", spans, start=0, end=9)

    assert [word.text for word in words] == ["สวัสดี", "ครับ ", "วันนี้"]
    assert [(word.start, word.end) for word in words] == [
        (1.0, pytest.approx(2 + 2 / 3)), (pytest.approx(2 + 2 / 3), 4.0), (4.0, 6.0),
    ]


def test_marks_stay_with_the_word_before() -> None:
    assert list(tokens("เก่งๆ มาก!")) == ["เก่งๆ ", "มาก!"]


SCRIPT = "สวัสดีครับ|ยินดีต้อนรับ\n\nวันนี้อากาศดี"


def test_a_script_is_shown_as_it_stands_at_the_times_that_were_heard() -> None:
    # The recogniser misheard the second line, and ran words together.
    fragments = (Span("สวัสดี", 1, 2), Span("ครับ", 2, 3), Span("ยินดิตอนรับ", 3, 5), Span("วันนี้อากาศดี", 6, 8))
    captions = scripted(SCRIPT, Transcript((), fragments), FRAME, duration_s=9)

    shown = [["".join(word.text for word in line) for line in caption.lines] for caption in captions]
    assert shown == [["สวัสดีครับ", "ยินดีต้อนรับ"], ["วันนี้อากาศดี"]]
    assert [captions[0].start, captions[0].end] == pytest.approx([1, 5], abs=0.2)
    assert [captions[1].start, captions[1].end] == pytest.approx([6, 8], abs=0.1)
    assert captions[0].lines[1][0].start == pytest.approx(3, abs=0.1)


def test_a_script_of_which_nothing_was_heard_is_spread_over_the_film() -> None:
    captions = scripted(SCRIPT, Transcript((), ()), FRAME, duration_s=10)

    assert captions[0].start == 0
    assert captions[-1].end == pytest.approx(10)


@pytest.mark.parametrize(
    ("script", "segments"),
    [
        (SCRIPT, [["สวัสดีครับ", "ยินดีต้อนรับ"], ["วันนี้อากาศดี"]]),
        (r"a|b\n\nc", [["a", "b"], ["c"]]),
        ("a \r\n \r\n b  c \n d|", [["a"], ["b c", "d"]]),
        ("|\n\n|", []),
    ],
)
def test_the_signs_of_a_script(script: str, segments: list[list[str]]) -> None:
    assert parse_script(script) == segments

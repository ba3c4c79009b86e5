"""A user's words in an ASS script are words: no tag, no command, no line of their own."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.media.captions import Frame, escaped, lay_out, width_of, write_script
from app.media.transcript import time_words

HOSTILE = (
    r"{\fs400}big", r"a{\p1}m 0 0 l 100 0{\p0}", r"\N\N\N", r"{\fn../../etc/passwd}", "a\nDialogue: 0,0:00:00.00,,x",
    r"\h\n", "[Fonts]", "{", "}", "\\", "{\\an8}top", "a,b,,c", "\r\n[Script Info]\r\nPlayResX: 1",
)
EVENT = re.compile(r"Dialogue: 0,\d:\d\d:\d\d\.\d\d,\d:\d\d:\d\d\.\d\d,Caption,,0,0,0,,\{\\an2\\pos\([\d.,]+\)[^{}]*\}")


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("pops", [False, True])
def test_it_stays_in_its_place(text: str, *, pops: bool) -> None:
    words = time_words(text.strip() or "a", [], start=0, end=2)
    script = write_script(lay_out(words, Frame(640, 360)), Frame(640, 360), pops=pops)

    head, events = script.split("[Events]\n")
    assert head.count("[") == 2
    for line in events.splitlines()[1:]:
        assert EVENT.match(line), line
        said = EVENT.sub("", line, count=1)
        assert re.search(r"(?<!\\)[{}]", said) is None
        assert re.search(r"\\(?![{}])", said) is None


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_no_words_make_a_tag_or_a_line(text: str) -> None:
    said = escaped(text)

    assert len(said.splitlines()) <= 1
    assert width_of(text, Frame(640, 360)) >= 0
    assert re.search(r"(?<!\\)[{}]", said) is None
    assert re.search(r"\\(?![{}])", said) is None

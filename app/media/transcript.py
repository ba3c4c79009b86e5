"""Times for every character of a text, from what was heard; and Thai words over them.

Recognisers give Thai in fragments of some characters; they are no words, but their times are good anchors
(upstreams/whisper-and-thai-subtitles.md 7). A known script is shown as it stands: what was heard gives it its times.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pythainlp.tokenize import word_tokenize
from pythainlp.util import normalize
from rapidfuzz.distance import Indel

# Belongs to the word before: repetition and abbreviation marks, and closing punctuation.
TRAILING = frozenset("ๆฯ.,!?;:…)]}\"'”’»。，！？、")
LEAST_WORD_S = 0.08


@dataclass(frozen=True)
class Span:
    """A piece of text and when it is spoken, in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Transcript:
    """What was heard: sentences or phrases, and the fragments whose times are finest (perhaps none)."""

    segments: tuple[Span, ...]
    fragments: tuple[Span, ...]

    @classmethod
    def of(cls, output: Mapping[str, Any]) -> "Transcript":
        """From the one shape of app.providers.whisper."""
        return cls(
            tuple(Span(item["text"], item["start"], item["end"]) for item in output["segments"]),
            tuple(Span(item["text"], item["start"], item["end"]) for item in output["words"]),
        )


def time_words(text: str, heard: Sequence[Span], *, start: float, end: float) -> list[Span]:
    """The words of a text with times between `start` and `end`; spaces stay at the end of the word before them.

    Joined, the words are the text again.
    """
    times = time_characters(text, heard, start=start, end=end)
    words: list[Span] = []
    offset = 0
    for token in tokens(text):
        spoken = [times[offset + at] for at, character in enumerate(token) if not character.isspace()]
        offset += len(token)
        if not spoken and words:
            words[-1] = Span(words[-1].text + token, words[-1].start, words[-1].end)
        elif spoken:
            words.append(Span(token, spoken[0][0], spoken[-1][1]))
    return _spaced(words, end)


def tokens(text: str) -> Iterator[str]:
    """Words, Thai ones by dictionary, with marks that belong to the word before."""
    held = ""
    for token in word_tokenize(text, engine="newmm-safe", keep_whitespace=True):
        if held and (token.isspace() or set(token) <= TRAILING):
            held += token
        else:
            if held:
                yield held
            held = token
    if held:
        yield held


def clean(text: str) -> str:
    """The text with Thai marks in their one order; done before any offset is counted, because it may shorten."""
    return str(normalize(text))


def time_characters(text: str, heard: Sequence[Span], *, start: float, end: float) -> list[tuple[float, float]]:
    """When each character of `text` is spoken. What was not heard is spread between its neighbours."""
    shown = [at for at, character in enumerate(text) if not character.isspace()]
    anchors = list(_characters(heard))
    known: dict[int, tuple[float, float]] = {}
    matches = Indel.opcodes([text[at].lower() for at in shown], [anchor.text.lower() for anchor in anchors])
    for block in matches:
        if block.tag == "equal":
            for step in range(block.src_end - block.src_start):
                anchor = anchors[block.dest_start + step]
                known[shown[block.src_start + step]] = (anchor.start, anchor.end)
    times = _filled(shown, known, start=start, end=end)
    last = start
    for at in range(len(text)):
        times.setdefault(at, (last, last))
        last = times[at][1]
    return [times[at] for at in range(len(text))]


def _characters(heard: Sequence[Span]) -> Iterator[Span]:
    for span in heard:
        letters = [letter for letter in span.text if not letter.isspace()]
        step = (span.end - span.start) / max(1, len(letters))
        for number, letter in enumerate(letters):
            yield Span(letter, span.start + number * step, span.start + (number + 1) * step)


def _filled(
    shown: Sequence[int], known: Mapping[int, tuple[float, float]], *, start: float, end: float
) -> dict[int, tuple[float, float]]:
    """Known times as they are, never going back; the unknown between two of them share the time between."""
    times: dict[int, tuple[float, float]] = {}
    waiting: list[int] = []
    last = start

    def spread(until: float) -> None:
        step = max(0.0, until - last) / max(1, len(waiting))
        for number, at in enumerate(waiting):
            times[at] = (last + number * step, last + (number + 1) * step)
        waiting.clear()

    for at in shown:
        if at not in known:
            waiting.append(at)
            continue
        begins = min(max(known[at][0], last), end)
        spread(begins)
        last = min(max(known[at][1], begins), end)
        times[at] = (begins, last)
    spread(end)
    return times


def _spaced(words: Sequence[Span], end: float) -> list[Span]:
    """Words that begin no earlier than the one before ends, each with a little time where there is room."""
    spaced: list[Span] = []
    for number, word in enumerate(words):
        start = max(word.start, spaced[-1].end if spaced else 0.0)
        room = words[number + 1].start if number + 1 < len(words) else end
        stop = max(word.end, start)
        if stop - start < LEAST_WORD_S:
            stop = max(stop, min(start + LEAST_WORD_S, room))
        spaced.append(Span(word.text, start, stop))
    return spaced

"""What the stand-in hears: always the same sentences, spread over the length of the sound.

Thai comes as Whisper's own timing code cuts it: not words but the smallest runs of tokens that are whole characters
(whisper-and-thai-subtitles.md 7), some of them a single consonant, one of no length, one with a space before it.
"""

import re
from dataclasses import dataclass
from itertools import cycle, islice

SENTENCES = {
    "th": (
        "สวัสดีครับ วันนี้อากาศดีมาก", "เราไปเดินเล่นริมแม่น้ำกันไหม", "ร้านกาแฟตรงหัวมุมเปิดแล้ว", "ขอบคุณที่รับชมครับ",
    ),
    "en": (
        "Hello and welcome.", "The weather is fine today.", "Shall we walk along the river?", "Thank you for watching.",
    ),
}
NAMES = {"th": "thai", "en": "english"}
SENTENCE_S = 3.0
PAUSE_S = 0.3
# One to three characters, never beginning with a mark that belongs to the one before.
FRAGMENT = re.compile("[^\u0e31\u0e34-\u0e3a\u0e47-\u0e4e][\u0e31\u0e34-\u0e3a\u0e47-\u0e4e]*")


@dataclass(frozen=True)
class Word:
    """A piece of text and its time in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Segment:
    """A sentence and its pieces."""

    text: str
    start: float
    end: float
    words: tuple[Word, ...]


def hear(seconds: float, language: str) -> list[Segment]:
    """The sentences that fit; at least one, however short the sound."""
    step = SENTENCE_S + PAUSE_S
    fitting = max(1, int((seconds + step - SENTENCE_S / 2) // step))
    spoken = islice(cycle(SENTENCES.get(language, SENTENCES["en"])), fitting)
    starts = (number * step for number in range(fitting))
    return [_segment(text, start, min(start + SENTENCE_S, seconds)) for start, text in zip(starts, spoken, strict=True)]


def _segment(text: str, start: float, end: float) -> Segment:
    return Segment(text, round(start, 2), round(end, 2), _words(text, start, end))


def _words(text: str, start: float, end: float) -> tuple[Word, ...]:
    pieces = _pieces(text)
    step = (end - start) / len(text)
    words, place = [], 0
    for number, piece in enumerate(pieces):
        begins = start + place * step
        place += len(piece)
        # One piece of no length: the engine puts it where the one before ends.
        ends = begins if number == 3 and len(pieces) > 4 else start + place * step
        words.append(Word(piece, round(begins, 2), round(ends, 2)))
    return tuple(words)


def _pieces(text: str) -> list[str]:
    """Thai in fragments, a space at the beginning of the one after it; other text in words."""
    if text.isascii():
        return [word if place == 0 else f" {word}" for place, word in enumerate(text.split(" "))]
    sizes, pieces = cycle((1, 2, 2, 1, 3)), []
    for phrase in re.findall(" ?[^ ]+", text):
        clusters = FRAGMENT.findall(phrase)
        while clusters:
            size = next(sizes) + (clusters[0] == " ")
            pieces.append("".join(clusters[:size]))
            clusters = clusters[size:]
    return pieces

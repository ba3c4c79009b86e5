"""Long texts cut for speech, and the pieces of sound joined again."""

import array
import math
import re
import sys
import unicodedata
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

from pythainlp.tokenize import word_tokenize

RATE = 24_000
# About eighty seconds of speech: long enough for an even voice, short enough that a lost piece costs little.
PIECE_WEIGHT = 1_200
# Speech does not begin or end at zero: without these a seam clicks.
FADE_SAMPLES = RATE // 100
PAUSE_SAMPLES = RATE * 15 // 100

SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
CLAUSE_END = re.compile(r"(?<=[,;:])\s+|(?<=[，、；：])|\s+")
# What is written above, below or behind a character, and what a joiner ties to it.
MARK = re.compile(r"[\u0300-\u036f\u0e31\u0e34-\u0e3a\u0e47-\u0e4e\ufe00-\ufe0f\u200d]")
CHARACTER = re.compile(rf".(?:\u200d.?|{MARK.pattern})*", re.DOTALL)
THAI = re.compile(r"[\u0e00-\u0e7f]")


def weight(character: str) -> int:
    """How long a character takes to speak, measured in letters of an alphabet."""
    if unicodedata.east_asian_width(character) in ("W", "F"):
        return 3
    if character.isdigit():
        return 4
    return 2 if THAI.match(character) else 1


def weigh(text: str) -> int:
    """How long a text takes to speak, in letters of an alphabet; fifteen or so are a second."""
    return sum(map(weight, text))


def split_text(text: str, *, most: int = PIECE_WEIGHT) -> list[str]:
    """Cut a text at sentence ends into pieces of about equal weight, none above `most`.

    A sentence that is too long is cut at clauses, then between words (Thai ones by dictionary), at last between
    characters, never inside one that is written with several code points.
    """
    total = weigh(text)
    aim = math.ceil(total / math.ceil(total / most)) if total else most
    pieces: list[str] = []
    held, held_weight = "", 0
    for part in _parts(text, most):
        part_weight = weigh(part)
        if held and (held_weight + part_weight > most or held_weight >= aim):
            pieces.append(held)
            held, held_weight = "", 0
        held, held_weight = held + part, held_weight + part_weight
    pieces.append(held)
    return [piece.strip() for piece in pieces if piece.strip()]


def _parts(text: str, most: int) -> Iterator[str]:
    for sentence in _cut(text, SENTENCE_END):
        if weigh(sentence) <= most:
            yield sentence
            continue
        for clause in _cut(sentence, CLAUSE_END):
            if weigh(clause) <= most:
                yield clause
                continue
            for word in _words(clause) if THAI.search(clause) else [clause]:
                yield from [word] if weigh(word) <= most else _bits(word, most)


def _words(clause: str) -> list[str]:
    words: list[str] = []
    for token in word_tokenize(clause, engine="newmm-safe"):
        # The dictionary knows nothing of other scripts' marks.
        if words and MARK.match(token):
            words[-1] += token
        else:
            words.append(token)
    return words


def _bits(text: str, most: int) -> Iterator[str]:
    """As many characters together as `most` allows, each with its marks where that is possible."""
    bit = ""
    for character in CHARACTER.findall(text):
        for part in [character] if weigh(character) <= most else character:
            if weigh(bit) + weigh(part) > most:
                yield bit
                bit = ""
            bit += part
    yield bit


def _cut(text: str, ends: re.Pattern[str]) -> Iterator[str]:
    """The text cut behind every match, nothing lost."""
    start = 0
    for match in ends.finditer(text):
        if match.end() > start:
            yield text[start : match.end()]
            start = match.end()
    if start < len(text):
        yield text[start:]


def join_speech(pieces: Sequence[Path], target: Path) -> float:
    """Join pieces of PCM (16-bit little-endian mono, 24 kHz) into a WAV file; answers its seconds.

    Each piece is faded at its ends and followed by a short pause, so that no seam can be heard.
    """
    samples = 0
    with wave.open(str(target), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(RATE)
        for number, piece in enumerate(pieces):
            pcm = _faded(piece.read_bytes())
            pause = bytes(2 * PAUSE_SAMPLES) if number + 1 < len(pieces) else b""
            sound.writeframes(pcm + pause)
            samples += (len(pcm) + len(pause)) // 2
    return samples / RATE


def _faded(pcm: bytes) -> bytes:
    samples = array.array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    reach = min(FADE_SAMPLES, len(samples) // 2)
    for step in range(reach):
        samples[step] = samples[step] * step // reach
        samples[-1 - step] = samples[-1 - step] * step // reach
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()

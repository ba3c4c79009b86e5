"""Speech: babble whose length and melody follow the text. 16-bit PCM, mono, 24,000 Hz.

Each voice has a small stock of syllables; a text is a row of them, so that a long clip is made by joining bytes.
"""

import hashlib
import math
import struct
from array import array
from functools import lru_cache

RATE = 24_000
TOKENS_PER_SECOND = 25
TOKEN_BYTES = RATE * 2 // TOKENS_PER_SECOND
CHARACTERS_PER_SECOND = 15
SYLLABLES = 12
SYLLABLE_TOKENS = 6
SYLLABLE_SAMPLES = SYLLABLE_TOKENS * TOKEN_BYTES // 2
PEAK = 9_000


def tokens_of(text: str) -> int:
    """How many audio tokens, 25 a second, the text takes to speak."""
    return max(TOKENS_PER_SECOND // 2, round(len(text) / CHARACTERS_PER_SECOND * TOKENS_PER_SECOND))


def speak(text: str, voice: str, tokens: int) -> bytes:
    """PCM of `tokens` × 1920 bytes. The same text and voice give the same bytes."""
    stock = _stock(voice.lower())
    count = -(-tokens // SYLLABLE_TOKENS)
    chosen = hashlib.shake_128(text.encode()).digest(count)
    return b"".join(stock[number % SYLLABLES] for number in chosen)[: tokens * TOKEN_BYTES]


def wav(pcm: bytes) -> bytes:
    """The PCM as a WAV file."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, RATE, RATE * 2, 2, 16)
    data = struct.pack("<4sI", b"data", len(pcm)) + pcm
    return struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data), b"WAVE") + form + data


@lru_cache(maxsize=40)
def _stock(voice: str) -> list[bytes]:
    """The voice's syllables, each about a quarter of a second, the last ones with a pause at their end."""
    pitch = 95 + hashlib.sha256(voice.encode()).digest()[0] * 0.6
    return [_syllable(pitch * (1 + 0.04 * (number % 5)), number) for number in range(SYLLABLES)]


def _syllable(pitch: float, number: int) -> bytes:
    voiced = SYLLABLE_SAMPLES * (6 if number >= SYLLABLES - 2 else 9) // 10
    vowel = 2 + number % 4
    samples = array("h", bytes(SYLLABLE_SAMPLES * 2))
    for place in range(voiced):
        angle = 2 * math.pi * pitch * place / RATE
        tone = math.sin(angle) + 0.6 * math.sin(vowel * angle) + 0.25 * math.sin((vowel + 3) * angle)
        samples[place] = int(PEAK * math.sin(math.pi * place / voiced) * tone / 1.85)
    return samples.tobytes()

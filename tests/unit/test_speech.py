"""Long texts in pieces, and the pieces of sound joined: nothing is lost, nothing is too long, nothing clicks."""

import array
import itertools
import math
import unicodedata
import wave
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.media.speech import FADE_SAMPLES, PAUSE_SAMPLES, RATE, join_speech, split_text, weigh

MOST = 60
ALPHABET = "abc กขคงาิ่ำ一二。！？.!?,;:…\n\u0301\u200d👩12"
# A voice at its loudest, in its steepest place: a full swing in half a wave of 400 Hz.
LOUD, PITCH_HZ = 30_000, 400


def bare(text: str) -> str:
    return "".join(text.split())


@given(st.text(ALPHABET, max_size=400))
@example("!" * 500)
@example("ก" * 500)
@example("👩\u200d" * 200)
@example("a" + "\u0301" * 300)
def test_no_piece_is_too_long_and_nothing_is_lost(text: str) -> None:
    pieces = split_text(text, most=MOST)

    assert bare("".join(pieces)) == bare(text)
    assert all(piece.strip() == piece != "" for piece in pieces)
    assert all(weigh(piece) <= MOST for piece in pieces)


@given(st.lists(st.sampled_from(["น้ำ", "ปู่", "ก๋วยเตี๋ยว", "e\u0301", "กิ่ง"]), min_size=1, max_size=80).map("".join))
def test_no_mark_is_cut_off_its_letter(text: str) -> None:
    for piece in split_text(text, most=MOST):
        assert not unicodedata.category(piece[0]).startswith("M")


@pytest.mark.parametrize(
    ("text", "ends"),
    [
        ("The sea is calm today. " * 20, (".",)),
        ("今日は海が静かです。" * 20, ("。",)),
        ("Is it calm? It is! Then we go… " * 20, ("?", "!", "…")),
        ("วันนี้ทะเลเงียบสงบ เราออกเรือกัน " * 20, ("สงบ", "กัน")),
    ],
)
def test_pieces_end_where_sentences_do(text: str, ends: tuple[str, ...]) -> None:
    pieces = split_text(text, most=200)

    assert len(pieces) > 1
    assert all(piece.endswith(ends) for piece in pieces)
    weights = [weigh(piece) for piece in pieces]
    assert max(weights[:-1]) - min(weights[:-1]) <= 80


def test_thai_without_spaces_is_cut_between_words() -> None:
    words = ["วันนี้", "ทะเล", "เงียบ", "สงบ"]
    pieces = split_text("".join(words) * 30, most=200)

    assert len(pieces) > 1
    assert all(piece.startswith(tuple(words)) and piece.endswith(tuple(words)) for piece in pieces)


def spoken(folder: Path, name: str, seconds: float) -> Path:
    """A loud tone that begins and ends in mid-swing."""
    wave_ = (LOUD * math.cos(2 * math.pi * PITCH_HZ * at / RATE) for at in range(round(seconds * RATE)))
    path = folder / name
    path.write_bytes(array.array("h", map(int, wave_)).tobytes())
    return path


def test_no_seam_clicks(tmp_path: Path) -> None:
    pieces = [spoken(tmp_path, "a", 0.3), spoken(tmp_path, "b", 0.2), spoken(tmp_path, "c", 0.4)]
    seconds = join_speech(pieces, tmp_path / "joined.wav")

    with wave.open(str(tmp_path / "joined.wav")) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE)
        samples = array.array("h", sound.readframes(sound.getnframes()))
    assert seconds == pytest.approx(0.9 + 2 * PAUSE_SAMPLES / RATE)
    assert len(samples) == round(seconds * RATE)
    assert samples[0] == samples[-1] == 0
    within = 2 * math.pi * PITCH_HZ / RATE * LOUD
    steps = [abs(after - before) for before, after in itertools.pairwise(samples)]
    # A hard cut would be a step of LOUD; at the seams there is none above what the voice itself makes.
    assert max(steps) <= within * 1.1
    loud_again = samples[FADE_SAMPLES : round(0.3 * RATE) - FADE_SAMPLES]
    assert max(loud_again) == LOUD


def test_the_shortest_pieces_are_joined(tmp_path: Path) -> None:
    empty, single = tmp_path / "empty", tmp_path / "single"
    empty.write_bytes(b"")
    single.write_bytes(array.array("h", [LOUD]).tobytes())

    assert join_speech([empty, single], tmp_path / "joined.wav") == pytest.approx((PAUSE_SAMPLES + 1) / RATE)

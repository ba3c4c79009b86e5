"""Subtitles looked at as pictures: what is drawn, where, and when."""

import unicodedata
from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFont

from app.catalog.entries.thai_subtitle import burn
from app.media.captions import EM_PER_SIZE, FONT_FILE, Frame, drawable, lay_out, settle, write_script
from app.media.transcript import Span, clean, time_words
from tests.mediafiles import ffmpeg

SECONDS, RATE = 5.0, 25
# Marks above marks, below and behind: น้ำ, ปู่, ที่, ก๋วยเตี๋ยว, ญี่ปุ่น.
TEXT = clean("น้ำพริกปลาทูที่บ้านปู่ ก๋วยเตี๋ยวเรือ ญี่ปุ่นกับ Thai 2026 อร่อยมากๆ")
SIZES = [(640, 360), (360, 640), (200, 200)]
# H.264 blurs an edge: what is brighter than this on black was drawn.
DRAWN = 60


def spans(text: str, *, start: float = 0.5, end: float = 4.5) -> list[Span]:
    """The text's words, evenly spoken."""
    return time_words(text, [], start=start, end=end)


async def subtitled(
    folder: Path, size: tuple[int, int], words: Sequence[Span], *, pops: bool, offset_s: float = 0.0
) -> list[Image.Image]:
    """The frames of a black film with these words on it."""
    width, height = size
    film, target, frame = folder / "black.mp4", folder / "subtitled.mp4", Frame(width, height)
    ffmpeg("-f", "lavfi", "-i", f"color=black:size={width}x{height}:rate={RATE}:duration={SECONDS}",
           "-f", "lavfi", "-i", f"sine=duration={SECONDS}", film)
    captions = settle(lay_out(words, frame), offset_s=offset_s, duration_s=SECONDS)
    script = write_script(captions, frame, pops=pops)
    await burn(film, target, script, frame, duration_s=SECONDS, progress=lambda _: None)
    with av.open(str(target)) as opened:
        return [frame.to_image().convert("L") for frame in opened.decode(video=0)]  # type: ignore[no-untyped-call]


def box(image: Image.Image) -> tuple[int, int, int, int] | None:
    """Where something was drawn: left, top, right, bottom."""
    return image.point(lambda value: 255 if value > DRAWN else 0).getbbox()


def ink(image: Image.Image) -> int:
    """How many pixels were drawn."""
    return image.point(lambda value: 255 if value > DRAWN else 0).histogram()[255]


@pytest.mark.parametrize("pops", [False, True])
@pytest.mark.parametrize("size", SIZES)
async def test_every_caption_is_inside_the_frame(tmp_path: Path, size: tuple[int, int], *, pops: bool) -> None:
    frames = await subtitled(tmp_path, size, spans(TEXT), pops=pops)

    boxes = [found for image in frames if (found := box(image))]
    assert len(boxes) > 3 * RATE
    assert min(left for left, *_ in boxes) >= size[0] * 0.01
    assert max(right for _, _, right, _ in boxes) <= size[0] * 0.99
    assert max(bottom for *_, bottom in boxes) <= size[1] * 0.99
    # In the lower part of a wide picture, and never above the middle of any.
    assert min(top for _, top, *_ in boxes) >= size[1] * (0.5 if size[0] > size[1] else 0.4)


async def test_words_appear_when_they_are_spoken(tmp_path: Path) -> None:
    words = [Span("วันนี้", 1, 2), Span("อากาศ", 2, 3), Span("ดี", 3, 4)]
    frames = await subtitled(tmp_path, (640, 360), words, pops=True)

    drawn = [ink(image) for image in frames]
    assert max(drawn[: RATE - 1]) == 0
    for begins in (1, 2, 3):
        before, after = drawn[begins * RATE - 2], drawn[begins * RATE + round(0.3 * RATE)]
        assert after > before + 100, begins
    # A word stays where it came, and they go together.
    assert abs(drawn[2 * RATE - 3] - drawn[RATE + 10]) < 30
    assert drawn[-1] == 0


@pytest.mark.parametrize("offset_s", [-0.3, 0.3])
async def test_the_offset_moves_them(tmp_path: Path, offset_s: float) -> None:
    frames = await subtitled(tmp_path, (640, 360), [Span("สวัสดี", 2, 3)], pops=False, offset_s=offset_s)

    first = next(number for number, image in enumerate(frames) if box(image))
    assert first / RATE == pytest.approx(2 + offset_s, abs=1.5 / RATE)


async def test_marks_stand_above_each_other_and_nothing_is_a_box(tmp_path: Path) -> None:
    """A tone mark above a vowel above a letter: each makes the word taller, none is drawn over the other."""
    heights = []
    for number, word in enumerate(("ท", "ที", "ที่")):
        folder = tmp_path / str(number)
        folder.mkdir()
        frames = await subtitled(folder, (640, 360), [Span(word, 1, 5)], pops=False)
        found = box(frames[2 * RATE])
        assert found is not None
        heights.append(found[3] - found[1])
    assert heights[0] < heights[1] < heights[2]


async def test_it_is_drawn_as_a_shaper_draws_it(tmp_path: Path) -> None:
    """The picture of libass and the one of Pillow's HarfBuzz, of the same font at the same size, cover each other."""
    word, frame = "น้ำที่ปู่", Frame(1280, 720)
    frames = await subtitled(tmp_path, (1280, 720), [Span(word, 1, 5)], pops=False)
    found = box(frames[2 * RATE])
    page = Image.new("L", (1280, 720))
    ImageDraw.Draw(page).text((100, 100), word, font=font(round(frame.size * EM_PER_SIZE)), fill=255)
    meant = box(page)
    assert found is not None
    assert meant is not None

    drawn, expected = frames[2 * RATE].crop(found), page.crop(meant)
    assert drawn.width == pytest.approx(expected.width, abs=4)
    assert drawn.height == pytest.approx(expected.height, abs=4)
    differs = ImageChops.difference(*(image.resize(expected.size).point(black_or_white) for image in (drawn, expected)))
    assert differs.histogram()[255] / (expected.width * expected.height) < 0.12


def font(size: int) -> ImageFont.FreeTypeFont:
    with as_file(files("fontpkg_sarabun") / "files" / FONT_FILE) as path:
        return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.RAQM)


def black_or_white(value: int) -> int:
    return 255 if value > 127 else 0


def is_a_box(letter: str) -> bool:
    """Whether the font has no picture for it and would draw the one for what it does not know."""
    return bytes(font(40).getmask(letter)) == bytes(font(40).getmask("\uffff"))


def test_nothing_is_drawn_as_a_box() -> None:
    thai = [chr(code) for code in range(0x0E01, 0x0E5C) if unicodedata.category(chr(code)) != "Cn"]

    assert is_a_box("猫")
    assert [letter for letter in thai if is_a_box(letter)] == []
    assert [letter for letter in drawable(TEXT + "👩‍🚀\u200b\ue000 ok") if is_a_box(letter)] == []

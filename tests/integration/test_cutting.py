"""Films cut to a length or a square, and their sound taken out."""

from pathlib import Path

import pytest
from PIL import Image

from app.errors import NotMade, UnsupportedMedia
from app.media.cutting import cut_film, take_sound
from tests.mediafiles import ffmpeg, film, sound
from tests.second_decoder import Look, look_at


def look(path: Path) -> Look:
    return look_at("video/mp4", path.read_bytes())


async def test_shortened_film_keeps_its_pictures(tmp_path: Path) -> None:
    target = tmp_path / "cut.mp4"
    await cut_film(film(tmp_path / "film.mp4"), target, seconds=1)

    found = look(target)
    assert (found.width, found.height, found.video_codec, found.audio_codec) == (160, 120, "h264", "aac")
    assert found.seconds == pytest.approx(1, abs=0.1)


async def test_square_is_the_middle(tmp_path: Path) -> None:
    source = tmp_path / "film.mp4"
    # Red, green and blue, each a third of the width: the middle is green.
    ffmpeg("-f", "lavfi", "-i", "color=red:s=120x120:d=1", "-f", "lavfi", "-i", "color=lime:s=120x120:d=1",
           "-f", "lavfi", "-i", "color=blue:s=120x120:d=1", "-filter_complex", "hstack=3", source)
    target = tmp_path / "cut.mp4"
    await cut_film(source, target, is_square=True)
    ffmpeg("-i", target, "-frames:v", "1", tmp_path / "frame.png")

    found = look(target)
    assert (found.width, found.height, found.audio_codec) == (120, 120, None)
    with Image.open(tmp_path / "frame.png") as frame:
        for x in (8, 60, 112):
            red, green, blue = frame.convert("RGB").getpixel((x, 60))  # type: ignore[misc]
            assert green > 200
            assert max(red, blue) < 60


async def test_both_at_once(tmp_path: Path) -> None:
    target = tmp_path / "cut.mp4"
    await cut_film(film(tmp_path / "film.mp4"), target, seconds=1, is_square=True)

    found = look(target)
    assert (found.width, found.height, found.audio_codec) == (120, 120, "aac")
    assert found.seconds == pytest.approx(1, abs=0.05)


async def test_sound_of_a_film(tmp_path: Path) -> None:
    target = tmp_path / "sound.m4a"
    await take_sound(film(tmp_path / "film.mp4"), target)

    found = look(target)
    assert (found.video_codec, found.audio_codec) == (None, "aac")
    assert found.seconds == pytest.approx(2, abs=0.1)


async def test_film_without_sound_gives_none(tmp_path: Path) -> None:
    with pytest.raises(NotMade):
        await take_sound(film(tmp_path / "film.mp4", sound=False), tmp_path / "sound.m4a")


async def test_what_is_no_film_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page"
    page.write_text("<!doctype html><title>Sorry</title>")

    with pytest.raises(UnsupportedMedia):
        await take_sound(page, tmp_path / "sound.m4a")
    with pytest.raises(NotMade):
        await cut_film(sound(tmp_path / "a.mp3"), tmp_path / "cut.mp4", seconds=1)

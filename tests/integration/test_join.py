"""Films and sounds put together: sizes, rates, lengths, missing sound, where and when a picture lies over a film."""

from pathlib import Path

import pytest
from PIL import Image

from app.media.formats import Kinds
from app.media.join import Clip, add_sound, join_films, join_sounds, last_frame, overlay
from app.media.probe import probe
from tests.mediafiles import ffmpeg, film, sound
from tests.second_decoder import look_at

ANY = Kinds.IMAGE | Kinds.VIDEO | Kinds.AUDIO


async def clip(path: Path) -> Clip:
    return Clip(path, await probe(path, kinds=ANY))


def bars(path: Path, colour: str, seconds: float, size: str = "160x120", rate: int = 25) -> Path:
    """A film of one colour, without sound."""
    ffmpeg("-f", "lavfi", "-i", f"color={colour}:s={size}:r={rate}:d={seconds}", "-pix_fmt", "yuv420p", path)
    return path


def colour_at(path: Path, seconds: float, place: tuple[int, int]) -> tuple[int, int, int]:
    still = path.with_suffix(f".{seconds}.png")
    ffmpeg("-ss", str(seconds), "-i", path, "-frames:v", "1", "-update", "1", still)
    with Image.open(still) as image:
        pixel = image.convert("RGB").getpixel(place)
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


def is_near(colour: tuple[int, int, int], other: tuple[int, int, int]) -> bool:
    return all(abs(one - two) < 40 for one, two in zip(colour, other, strict=True))


async def test_films_of_other_size_rate_and_sound_become_one(tmp_path: Path) -> None:
    wide = await clip(film(tmp_path / "wide.mp4"))
    tall = await clip(bars(tmp_path / "tall.webm", "red", 1.5, size="120x160", rate=10))

    await join_films([wide, tall], tmp_path / "out.mp4", crossfade=False)

    seen = look_at("video/mp4", (tmp_path / "out.mp4").read_bytes())
    assert (seen.video_codec, seen.audio_codec, seen.width, seen.height) == ("h264", "aac", 160, 120)
    assert seen.seconds == pytest.approx(3.5, abs=0.15)
    assert is_near(colour_at(tmp_path / "out.mp4", 3, (80, 60)), (254, 0, 0))
    assert is_near(colour_at(tmp_path / "out.mp4", 3, (5, 60)), (0, 0, 0)), "bars at the sides"


async def test_silent_films_stay_silent(tmp_path: Path) -> None:
    clips = [await clip(bars(tmp_path / f"{colour}.mp4", colour, 1)) for colour in ("red", "blue")]

    await join_films(clips, tmp_path / "out.mp4", crossfade=False)

    seen = look_at("video/mp4", (tmp_path / "out.mp4").read_bytes())
    assert seen.audio_codec is None
    assert seen.seconds == pytest.approx(2, abs=0.1)


async def test_a_crossfade_shows_both_films_half_way(tmp_path: Path) -> None:
    clips = [await clip(bars(tmp_path / f"{colour}.mp4", colour, 2)) for colour in ("red", "blue")]

    await join_films(clips, tmp_path / "out.mp4", crossfade=True)

    assert look_at("video/mp4", (tmp_path / "out.mp4").read_bytes()).seconds == pytest.approx(3.5, abs=0.1)
    red, _, blue = colour_at(tmp_path / "out.mp4", 1.76, (80, 60))
    assert 60 < red < 200
    assert 60 < blue < 200


@pytest.mark.parametrize("seconds", [0.5, 5.0])
async def test_a_sound_is_as_long_as_its_film(tmp_path: Path, seconds: float) -> None:
    silent = await clip(bars(tmp_path / "film.mp4", "red", 2))
    voice = await clip(sound(tmp_path / "voice.mp3", seconds=seconds))

    await add_sound(silent, voice, tmp_path / "out.mp4", replace=True, volume=1)

    seen = look_at("video/mp4", (tmp_path / "out.mp4").read_bytes())
    assert seen.audio_codec == "aac"
    assert seen.seconds == pytest.approx(2, abs=0.1)


async def test_sounds_follow_one_another_or_are_heard_at_once(tmp_path: Path) -> None:
    sounds = [await clip(sound(tmp_path / "one.mp3", seconds=1)), await clip(sound(tmp_path / "two.wav", seconds=3))]

    await join_sounds(sounds, tmp_path / "joined.mp3", mix=False)
    await join_sounds(sounds, tmp_path / "mixed.mp3", mix=True)

    assert look_at("audio/mpeg", (tmp_path / "joined.mp3").read_bytes()).seconds == pytest.approx(4, abs=0.15)
    assert look_at("audio/mpeg", (tmp_path / "mixed.mp3").read_bytes()).seconds == pytest.approx(3, abs=0.15)


async def test_an_animation_lies_where_and_when_it_should_and_lets_the_film_through(tmp_path: Path) -> None:
    frames = [Image.new("RGBA", (100, 100), (0, 0, 0, 0)) for _ in range(2)]
    for frame in frames:
        frame.paste((0, 255, 0, 255), (0, 0, 50, 100))
    frames[1].putpixel((0, 0), (0, 0, 0, 255))
    frames[0].save(
        tmp_path / "half.gif", save_all=True, append_images=frames[1:], duration=100, loop=0, disposal=2, transparency=0
    )
    base = await clip(bars(tmp_path / "film.mp4", "red", 3, size="400x200"))
    animation = await clip(tmp_path / "half.gif")

    await overlay(base, animation, tmp_path / "out.mp4", place="bottom_right", scale=0.25, start_s=1, end_s=2)

    green_half, clear_half = (310, 150), (380, 150)
    assert is_near(colour_at(tmp_path / "out.mp4", 1.8, green_half), (0, 255, 0)), "it runs again and again"
    assert is_near(colour_at(tmp_path / "out.mp4", 1.8, clear_half), (254, 0, 0)), "the film shows through"
    assert is_near(colour_at(tmp_path / "out.mp4", 0.5, green_half), (254, 0, 0)), "not yet"
    assert is_near(colour_at(tmp_path / "out.mp4", 2.5, green_half), (254, 0, 0)), "not any more"


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
async def test_the_last_frame_is_the_last(tmp_path: Path, suffix: str) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=red:s=160x120:r=25:d=3,drawbox=c=blue:t=fill:enable='gte(n,74)'",
           "-pix_fmt", "yuv420p", tmp_path / "film.mp4")

    await last_frame(await clip(tmp_path / "film.mp4"), tmp_path / f"last{suffix}")

    with Image.open(tmp_path / f"last{suffix}") as image:
        pixel = image.convert("RGB").getpixel((80, 60))
    assert isinstance(pixel, tuple)
    assert is_near((pixel[0], pixel[1], pixel[2]), (0, 0, 254))

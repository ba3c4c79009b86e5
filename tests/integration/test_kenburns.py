"""Ken Burns films, looked at frame by frame with a decoder that did not make them."""

import asyncio
import math
import subprocess
from array import array
from itertools import pairwise
from pathlib import Path

import av
import pytest
from PIL import Image, ImageChops, ImageDraw, ImageStat

from app.errors import NotMade, UnsupportedMedia
from app.media.formats import Kinds
from app.media.kenburns import KenBurns, render
from app.media.motion import Mode
from app.media.pictures import Picture
from app.media.probe import probe
from tests.mediafiles import FFMPEG, ffmpeg, picture, sound

# What the first and the last frame show at a scale of 2 in the end: left, top and size, in shares of the picture.
WHOLE = (0.0, 0.0, 1.0)
WINDOWS: dict[Mode, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "center": (WHOLE, (0.25, 0.25, 0.5)),
    "top_left": (WHOLE, (0.0, 0.0, 0.5)),
    "top_right": (WHOLE, (0.5, 0.0, 0.5)),
    "bottom_left": (WHOLE, (0.0, 0.5, 0.5)),
    "bottom_right": (WHOLE, (0.5, 0.5, 0.5)),
    "pan_right": ((0.0, 0.25, 0.5), (0.5, 0.25, 0.5)),
    "pan_left": ((0.5, 0.25, 0.5), (0.0, 0.25, 0.5)),
    "pan_up": ((0.25, 0.5, 0.5), (0.25, 0.0, 0.5)),
    "pan_down": ((0.25, 0.0, 0.5), (0.25, 0.5, 0.5)),
    "none": (WHOLE, WHOLE),
}


def chequered(path: Path, size: tuple[int, int] = (480, 320)) -> Path:
    """A picture that looks different everywhere: a grid of fields, each with a colour of its own."""
    image = Image.new("RGB", size)
    draw = ImageDraw.Draw(image)
    for x in range(0, size[0], 40):
        for y in range(0, size[1], 40):
            colour = (x * 255 // size[0], y * 255 // size[1], 255 * ((x + y) // 40 % 2))
            draw.rectangle((x, y, x + 39, y + 39), fill=colour)
            draw.text((x + 5, y + 5), f"{x // 40}{y // 40}", fill="white")
    image.save(path)
    return path


def frames_of(path: Path) -> list[Image.Image]:
    with av.open(str(path)) as film:
        return [frame.to_image() for frame in film.decode(video=0)]  # type: ignore[no-untyped-call]


def difference(one: Image.Image, other: Image.Image) -> float:
    return sum(ImageStat.Stat(ImageChops.difference(one, other)).mean) / 3


def seen_in(image: Image.Image, window: tuple[float, float, float]) -> Image.Image:
    left, top, size = window
    width, height = image.size
    box = (left * width, top * height, (left + size) * width, (top + size) * height)
    return image.resize(image.size, Image.Resampling.BICUBIC, box=box)


def best_match(frame: Image.Image, image: Image.Image) -> tuple[float, float, float]:
    windows = {window for pair in WINDOWS.values() for window in pair}
    return min(windows, key=lambda window: difference(frame, seen_in(image, window)))


@pytest.mark.parametrize("mode", WINDOWS)
async def test_each_mode_shows_the_right_part(tmp_path: Path, mode: Mode) -> None:
    source = chequered(tmp_path / "a.png")
    spec = KenBurns(1, mode, speed=0.1, max_scale=2)

    await render(source, tmp_path / "a.mp4", spec)

    frames, image = frames_of(tmp_path / "a.mp4"), Image.open(source)
    first, last = WINDOWS[mode]
    assert (best_match(frames[0], image), best_match(frames[-1], image)) == (first, last)
    assert difference(frames[0], seen_in(image, first)) < 6
    assert difference(frames[-1], seen_in(image, last)) < 6


async def test_the_film_is_what_the_contract_says(tmp_path: Path) -> None:
    progress: list[float] = []

    source = chequered(tmp_path / "a.png")

    await render(source, tmp_path / "a.mp4", KenBurns(5, "center"), on_progress=progress.append)

    info = await probe(tmp_path / "a.mp4", kinds=Kinds.VIDEO)
    assert (info.content_type, info.video_codec, info.audio_codec) == ("video/mp4", "h264", None)
    assert (info.width, info.height, info.fps, info.frames) == (480, 320, 30, 150)
    assert info.duration_s == pytest.approx(5)
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert film.streams.video[0].codec_context.pix_fmt == "yuv420p"
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")
    assert progress == sorted(progress)
    assert progress[-1] == 100
    assert {path.name for path in source.parent.glob("*")} == {"a.mp4", "a.png"}


async def test_the_scale_grows_by_the_speed_up_to_the_maximum(tmp_path: Path) -> None:
    source = chequered(tmp_path / "a.png")

    await render(source, tmp_path / "a.mp4", KenBurns(1, "top_left", speed=0.05, max_scale=1.5))

    frames, image = frames_of(tmp_path / "a.mp4"), Image.open(source)
    for number, scale in ((0, 1.0), (4, 1.2), (10, 1.5), (29, 1.5)):
        assert difference(frames[number], seen_in(image, (0, 0, 1 / scale))) < 6


@pytest.mark.parametrize(("pan_speed", "middle", "end"), [(0.5, 0.25, 0.5), (1, 0.5, 1), (2, 1, 1), (10, 1, 1)])
def test_pans_cross_the_spare_room_in_proportion(pan_speed: float, middle: float, end: float) -> None:
    right = KenBurns(2, "pan_right", max_scale=2, pan_speed=pan_speed)
    up = KenBurns(2, "pan_up", max_scale=2, pan_speed=pan_speed)

    assert right.window(0)[0] == 0
    assert right.window(30)[0] == pytest.approx(middle * 0.5, abs=0.01)
    assert right.window(59)[0] == pytest.approx(end * 0.5)
    assert up.window(0)[1] == 0.5
    assert up.window(59)[1] == pytest.approx(0.5 - end * 0.5)


def dotted(path: Path) -> Path:
    """A soft white dot on black, off the centre, whose middle can be measured to a part of a pixel."""
    image = Image.new("L", (320, 240))
    pixels = [
        round(255 * math.exp(-((x + 0.5 - 100) ** 2 + (y + 0.5 - 90) ** 2) / 72))
        for y in range(240)
        for x in range(320)
    ]
    image.putdata(pixels)
    image.save(path)
    return path


def centroid(frame: Image.Image) -> tuple[float, float]:
    """The middle of the light, in pixels."""
    grey = frame.convert("L").point(lambda value: max(0, value - 20)).convert("F")
    middles = []
    for size, length in (((frame.width, 1), frame.width), ((1, frame.height), frame.height)):
        weights = array("f", grey.resize(size, Image.Resampling.BOX).tobytes())
        middles.append(sum(weights[at] * (at + 0.5) for at in range(length)) / sum(weights))
    return middles[0], middles[1]


def errors(spec: KenBurns, frames: list[Image.Image]) -> list[float]:
    """How far the dot of each frame is from where the window puts it, in pixels."""
    found = []
    for number, frame in enumerate(frames):
        left, top, size = spec.window(number)
        found.append(math.dist(centroid(frame), ((100 - left * 320) / size, (90 - top * 240) / size)))
    return found


@pytest.mark.parametrize("mode", ["center", "pan_right", "pan_down"])
async def test_motion_is_smooth_to_a_part_of_a_pixel(tmp_path: Path, mode: Mode) -> None:
    """A dot moves by a part of a pixel per frame. Windows at whole pixels would put it wrong by up to half of one."""
    source, spec = dotted(tmp_path / "a.png"), KenBurns(2, mode, max_scale=1.1)
    await render(source, tmp_path / "a.mp4", spec)
    film = frames_of(tmp_path / "a.mp4")
    loaded = Picture.load(source, "png", max_scale=1.1)
    rendered = [
        Image.frombytes("L", (320, 240), loaded.frame(spec.window(number))[: 320 * 240]) for number in range(60)
    ]

    steps = [math.dist(centroid(one), centroid(other)) for one, other in pairwise(rendered)]

    assert max(steps) < 1
    assert max(errors(spec, rendered)) < 0.03
    assert max(errors(spec, film)) < 0.15  # the encoder's own share
    assert sum(errors(spec, film)) / 60 < 0.06


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.webp"])
async def test_all_formats_of_pictures(tmp_path: Path, name: str) -> None:
    source = chequered(tmp_path / name)

    await render(source, tmp_path / "a.mp4", KenBurns(1))

    frames = frames_of(tmp_path / "a.mp4")
    assert len(frames) == 30
    with Image.open(source) as image:
        assert difference(frames[0].reduce(8), image.convert("RGB").reduce(8)) < 4


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
async def test_all_modes_of_png(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        Image.new(mode, (64, 48), 128 * 256).save(tmp_path / "a.png")
    else:
        Image.new("L", (64, 48), 255).convert(mode).save(tmp_path / "a.png")

    await render(tmp_path / "a.png", tmp_path / "a.mp4", KenBurns(1))

    grey = 128 if mode == "I;16" else 255
    assert difference(frames_of(tmp_path / "a.mp4")[0], Image.new("RGB", (64, 48), (grey,) * 3)) < 3


async def test_cmyk_jpeg(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (200, 40, 40)).convert("CMYK").save(tmp_path / "a.jpg")

    await render(tmp_path / "a.jpg", tmp_path / "a.mp4", KenBurns(1))

    assert difference(frames_of(tmp_path / "a.mp4")[0], Image.new("RGB", (64, 48), (200, 40, 40))) < 5


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (90, 140, 200)])
async def test_colours_come_back(tmp_path: Path, colour: tuple[int, int, int]) -> None:
    Image.new("RGB", (64, 48), colour).save(tmp_path / "a.png")

    await render(tmp_path / "a.png", tmp_path / "a.mp4", KenBurns(1))

    seen = frames_of(tmp_path / "a.mp4")[0].getpixel((32, 24))
    assert isinstance(seen, tuple)
    assert all(abs(one - other) <= 4 for one, other in zip(seen, colour, strict=True))


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif"])
async def test_transparency_lies_on_black(tmp_path: Path, name: str) -> None:
    image = Image.new("RGBA", (80, 60), (255, 255, 255, 0))
    image.paste((255, 255, 255, 255), (0, 0, 40, 60))
    image.save(tmp_path / name)

    await render(tmp_path / name, tmp_path / "a.mp4", KenBurns(1))

    frame = frames_of(tmp_path / "a.mp4")[0].convert("L")
    assert ImageStat.Stat(frame.crop((0, 0, 36, 60))).mean[0] > 250
    assert ImageStat.Stat(frame.crop((44, 0, 80, 60))).mean[0] < 5


async def test_half_transparency_is_mixed_with_black(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 48), (200, 100, 50, 128)).save(tmp_path / "a.png")

    await render(tmp_path / "a.png", tmp_path / "a.mp4", KenBurns(1))

    assert difference(frames_of(tmp_path / "a.mp4")[0], Image.new("RGB", (64, 48), (100, 50, 25))) < 3


@pytest.mark.parametrize("name", ["a.gif", "a.webp"])
async def test_an_animation_gives_its_first_picture(tmp_path: Path, name: str) -> None:
    red, blue = Image.new("RGB", (64, 48), "red"), Image.new("RGB", (64, 48), "blue")
    red.save(tmp_path / name, save_all=True, append_images=[blue], duration=100)

    await render(tmp_path / name, tmp_path / "a.mp4", KenBurns(1))

    frames = frames_of(tmp_path / "a.mp4")
    assert difference(frames[0], red) < 5
    assert difference(frames[-1], red) < 5


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_pictures_stand_upright(tmp_path: Path, orientation: int) -> None:
    """The mark is stored where the orientation brings it back to the upper left corner."""
    upright = Image.open(picture(tmp_path / "upright.png", size=(96, 64)))
    stored = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    image = upright.transpose(stored[orientation]) if orientation > 1 else upright
    exif = Image.Exif()
    exif[274] = orientation
    image.save(tmp_path / "a.jpg", exif=exif, quality=95)

    await render(tmp_path / "a.jpg", tmp_path / "a.mp4", KenBurns(1))

    frame = frames_of(tmp_path / "a.mp4")[0]
    assert frame.size == (96, 64)
    assert difference(frame, upright) < 8


@pytest.mark.parametrize(
    ("size", "sides"),
    [
        ((1, 1), (2, 2)),
        ((2, 1), (2, 2)),
        ((1, 300), (2, 300)),
        ((3, 5), (4, 4)),
        ((641, 479), (640, 480)),
        ((8_000, 10), (1_920, 2)),
        ((10, 8_000), (2, 1_920)),
        ((1_921, 1_081), (1_920, 1_080)),
        ((4_000, 3_000), (1_920, 1_440)),
        ((3_000, 4_000), (1_440, 1_920)),
    ],
)
async def test_odd_sizes(tmp_path: Path, size: tuple[int, int], sides: tuple[int, int]) -> None:
    Image.new("RGB", size, "teal").save(tmp_path / "a.png")

    await render(tmp_path / "a.png", tmp_path / "a.mp4", KenBurns(0.2, "bottom_right", speed=0.1, max_scale=5))

    frames = frames_of(tmp_path / "a.mp4")
    assert (len(frames), frames[0].size) == (6, sides)


@pytest.mark.parametrize("turned", [False, True])
async def test_large_jpegs_keep_their_detail_and_their_aspect(tmp_path: Path, turned: bool) -> None:
    """Far larger than the film, they are decoded at a part of their size, upright or not."""
    image = Image.open(chequered(tmp_path / "a.png", size=(480, 320))).resize((8_160, 5_440), Image.Resampling.NEAREST)
    exif = Image.Exif()
    exif[274] = 6 if turned else 1
    stored = image.transpose(Image.Transpose.ROTATE_90) if turned else image
    stored.save(tmp_path / "a.jpg", exif=exif, quality=80)

    await render(tmp_path / "a.jpg", tmp_path / "a.mp4", KenBurns(0.2))

    frame = frames_of(tmp_path / "a.mp4")[0]
    assert frame.size == (1_920, 1_280)
    assert difference(frame, image.resize((1_920, 1_280), Image.Resampling.LANCZOS)) < 6


@pytest.mark.parametrize("duration", [1, 2.5, 7])
async def test_the_length_is_exact(tmp_path: Path, duration: float) -> None:
    await render(
        picture(tmp_path / "a.png"),
        tmp_path / "a.mp4",
        KenBurns(duration, "pan_left"),
        music=sound(tmp_path / "a.mp3", seconds=3),
    )

    info = await probe(tmp_path / "a.mp4", kinds=Kinds.VIDEO)
    assert info.duration_s == pytest.approx(duration, abs=0.034)
    assert info.audio_codec == "aac"
    with av.open(str(tmp_path / "a.mp4")) as film:
        assert (film.duration or 0) / av.time_base == pytest.approx(duration, abs=0.1)


def loudness(path: Path, *moments: float, width: float = 0.04) -> list[float]:
    """Root mean square of the sound around some moments, from 0 to 1."""
    decoded = subprocess.run(
        [FFMPEG, "-v", "error", "-i", path, "-f", "s16le", "-ac", "1", "-ar", "48000", "-"],
        capture_output=True,
        check=True,
    )
    samples = array("h", decoded.stdout)
    values = []
    for moment in moments:
        part = samples[max(0, round((moment - width / 2) * 48_000)) : round((moment + width / 2) * 48_000)]
        values.append(math.sqrt(sum(sample * sample for sample in part) / len(part)) / 32_768)
    return values


async def test_longer_music_is_cut_with_a_fade(tmp_path: Path) -> None:
    music = sound(tmp_path / "a.wav", seconds=10)

    await render(picture(tmp_path / "a.png"), tmp_path / "a.mp4", KenBurns(2), music=music)

    early, before_fade, middle, end = loudness(tmp_path / "a.mp4", 0.2, 1.4, 1.75, 1.97)
    assert early == pytest.approx(before_fade, rel=0.1)
    assert middle == pytest.approx(early / 2, rel=0.2)
    assert end < early / 5


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.aac", "a.m4a", "a.ogg", "a.flac"])
async def test_shorter_music_begins_again(tmp_path: Path, name: str) -> None:
    """Half a second of tone and half a second of silence, again and again."""
    music = sound(tmp_path / name, "-af", "apad=whole_dur=1", seconds=0.5)

    await render(picture(tmp_path / "a.png"), tmp_path / "a.mp4", KenBurns(4), music=music)

    tones = loudness(tmp_path / "a.mp4", 0.3, 1.35, 2.4)
    silences = loudness(tmp_path / "a.mp4", 0.75, 1.8, 2.85)
    assert min(tones) > 0.04
    assert max(silences) < 0.01


async def test_the_cover_of_the_music_is_no_picture_of_the_film(tmp_path: Path) -> None:
    tone, cover = sound(tmp_path / "tone.wav"), picture(tmp_path / "cover.jpg", size=(600, 600))
    music = tmp_path / "a.mp3"
    ffmpeg("-i", tone, "-i", cover, "-map", "0", "-map", "1", music)

    await render(picture(tmp_path / "a.png"), tmp_path / "a.mp4", KenBurns(1), music=music)

    info = await probe(tmp_path / "a.mp4", kinds=Kinds.VIDEO)
    assert (info.width, info.height, info.audio_codec) == (160, 120, "aac")


async def test_the_inputs_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("pictures", "music", "films"):
        (tmp_path / folder).mkdir()
    image, music = picture(tmp_path / "pictures/a.png"), sound(tmp_path / "music/a.mp3")
    monkeypatch.chdir(tmp_path)

    await render(image.relative_to(tmp_path), Path("films/a.mp4"), KenBurns(1), music=music.relative_to(tmp_path))

    assert len(frames_of(tmp_path / "films/a.mp4")) == 30


async def test_what_cannot_be_read_leaves_no_film(tmp_path: Path) -> None:
    broken = picture(tmp_path / "broken.png")
    broken.write_bytes(broken.read_bytes()[:100])
    good = picture(tmp_path / "a.png")
    playlist = tmp_path / "a.mp3"
    playlist.write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n")

    with pytest.raises(NotMade, match="could not be made"):
        await render(broken, tmp_path / "a.mp4", KenBurns(1))
    with pytest.raises(UnsupportedMedia, match="not an image"):
        await render(playlist, tmp_path / "a.mp4", KenBurns(1))
    with pytest.raises(UnsupportedMedia, match="not one that we read"):
        await render(good, tmp_path / "a.mp4", KenBurns(1), music=playlist)
    with pytest.raises(NotMade, match="could not be made"):
        await render(good, tmp_path / "a.mp4", KenBurns(1), music=good)

    assert not (tmp_path / "a.mp4").exists()


def running_commands() -> str:
    return subprocess.run(["/bin/ps", "-Ao", "args="], capture_output=True, text=True, check=True).stdout


async def test_a_cancelled_film_leaves_nothing(tmp_path: Path) -> None:
    begun = asyncio.Event()
    source = chequered(tmp_path / "a.png", size=(1_920, 1_080))
    rendering = asyncio.create_task(
        render(source, tmp_path / "a.mp4", KenBurns(60, "center"), on_progress=lambda _: begun.set())
    )
    await begun.wait()
    rendering.cancel()

    with pytest.raises(asyncio.CancelledError):
        await rendering

    assert not (tmp_path / "a.mp4").exists()
    assert str(tmp_path) not in running_commands()

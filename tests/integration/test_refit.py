"""Files made anew for a provider: within its types and bytes, upright, and still what they were."""

from pathlib import Path

import pytest
from PIL import Image

from app.errors import NotMade, UnsupportedMedia
from app.media.formats import Kinds
from app.media.probe import probe
from app.media.refit import fits, refit
from tests.mediafiles import ffmpeg, film, picture, sound
from tests.second_decoder import look_at


def noise(path: Path, size: tuple[int, int]) -> Path:
    """A picture that does not compress."""
    Image.effect_noise(size, 100).convert("RGB").save(path)
    return path


async def test_large_picture_becomes_a_small_jpeg(tmp_path: Path) -> None:
    source = noise(tmp_path / "noise.png", (1_200, 900))

    made = await refit(source, await probe(source, kinds=Kinds.IMAGE), limit_bytes=200_000)

    look = look_at(made.content_type, made.path.read_bytes())
    assert made.path.stat().st_size <= 200_000
    assert (made.content_type, look.video_codec) == ("image/jpeg", "jpeg")
    assert look.ratio == pytest.approx(4 / 3, rel=0.01)


async def test_turned_picture_is_upright_afterwards(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    source = picture(tmp_path / "turned.jpg", (160, 120), exif=exif)

    made = await refit(source, await probe(source, kinds=Kinds.IMAGE), limit_bytes=1_000_000)

    with Image.open(made.path) as image:
        assert image.size == (120, 160)
        corner = image.convert("RGB").getpixel((115, 5))
    assert isinstance(corner, tuple)
    assert corner[0] > 200  # the yellow mark, now at the upper right
    assert corner[2] < 100


async def test_transparent_picture_stays_transparent(tmp_path: Path) -> None:
    source = tmp_path / "glass.gif"
    Image.new("RGBA", (64, 64), (0, 0, 255, 0)).save(source, transparency=0)

    made = await refit(source, await probe(source, kinds=Kinds.IMAGE), limit_bytes=1_000_000)

    with Image.open(made.path) as image:
        alpha = image.convert("RGBA").getchannel("A").getextrema()
    assert (made.content_type, alpha) == ("image/webp", (0, 0))


async def test_film_becomes_a_small_mp4(tmp_path: Path) -> None:
    source = tmp_path / "noise.mov"
    ffmpeg("-f", "lavfi", "-i", "nullsrc=s=321x241:r=25:d=2,geq=random(1)*255:128:128", "-f", "lavfi", "-i",
           "sine=d=2", "-c:v", "mpeg4", "-q:v", "2", source)

    made = await refit(source, await probe(source, kinds=Kinds.VIDEO), limit_bytes=300_000)

    look = look_at(made.content_type, made.path.read_bytes())
    assert made.path.stat().st_size <= 300_000 < source.stat().st_size
    assert (look.video_codec, look.audio_codec, look.width, look.height) == ("h264", "aac", 320, 240)
    assert look.seconds == pytest.approx(2, abs=0.1)


async def test_film_without_sound_stays_silent(tmp_path: Path) -> None:
    source = film(tmp_path / "silent.mov", sound=False)

    made = await refit(source, await probe(source, kinds=Kinds.VIDEO), limit_bytes=1_000_000)

    assert look_at(made.content_type, made.path.read_bytes()).audio_codec is None


@pytest.mark.parametrize("name", ["a.png", "a.mp4"])
async def test_what_cannot_be_made_so_small_is_refused(tmp_path: Path, name: str) -> None:
    source = picture(tmp_path / name) if name.endswith("png") else film(tmp_path / name)

    with pytest.raises(NotMade, match="small enough"):
        await refit(source, await probe(source, kinds=Kinds.ANY), limit_bytes=100)


async def test_sound_is_not_made_anew(tmp_path: Path) -> None:
    source = sound(tmp_path / "a.mp3")

    with pytest.raises(UnsupportedMedia):
        await refit(source, await probe(source, kinds=Kinds.ANY), limit_bytes=1_000_000)


async def test_what_fits_goes_as_it_is(tmp_path: Path) -> None:
    media = await probe(picture(tmp_path / "a.png"), kinds=Kinds.IMAGE)

    assert fits(media, 10, types={"image/png"}, limit_bytes=10)
    assert not fits(media, 11, types={"image/png"}, limit_bytes=10)
    assert not fits(media, 10, types={"image/jpeg"}, limit_bytes=10)

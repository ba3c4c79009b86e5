"""The probe on good files of every format and on bad ones of many kinds."""

import struct
import wave
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from app.errors import UnsupportedMedia
from app.media.formats import Kinds, sniff
from app.media.probe import MediaInfo, probe
from tests.mediafiles import SOUND, ffmpeg, film, picture, sound

FILMS = {
    "a.mp4": ("video/mp4", "h264", "aac", ("-pix_fmt", "yuv420p")),
    "fragments.mp4": ("video/mp4", "h264", "aac", ("-movflags", "frag_keyframe+empty_moov")),
    "a.mov": ("video/quicktime", "prores", "pcm_s16le", ("-c:v", "prores", "-c:a", "pcm_s16le")),
    "a.webm": ("video/webm", "vp9", "opus", ("-cpu-used", "8", "-deadline", "realtime")),
    "a.mkv": ("video/x-matroska", "h264", "vorbis", ("-c:a", "libvorbis")),
    "a.avi": ("video/x-msvideo", "mpeg4", "mp3", ()),
}
SOUNDS = {
    "a.mp3": ("audio/mpeg", "mp3", ()),
    "bare.mp3": ("audio/mpeg", "mp3", ("-id3v2_version", "0", "-write_xing", "0")),
    "low.mp3": ("audio/mpeg", "mp3", ("-ar", "11025", "-ac", "1")),
    "a.mp2": ("audio/mpeg", "mp2", ()),
    "a.wav": ("audio/wav", "pcm_s16le", ()),
    "a.aac": ("audio/aac", "aac", ()),
    "a.m4a": ("audio/mp4", "aac", ()),
    "sound.mp4": ("audio/mp4", "aac", ()),
    "sound.webm": ("audio/webm", "opus", ()),
    "a.ogg": ("audio/ogg", "vorbis", ("-c:a", "libvorbis")),
    "a.opus": ("audio/ogg", "opus", ()),
    "a.flac": ("audio/flac", "flac", ()),
}


@pytest.mark.parametrize("name", FILMS)
async def test_films_are_measured(tmp_path: Path, name: str) -> None:
    content_type, video_codec, audio_codec, options = FILMS[name]
    path = film(tmp_path / name, *options)

    info = await probe(path, kinds=Kinds.VIDEO)

    assert sniff(path) == info.content_type == content_type
    assert (info.video_codec, info.audio_codec, info.width, info.height) == (video_codec, audio_codec, 160, 120)
    assert info.duration_s == pytest.approx(2, abs=0.05)
    assert (info.frames, info.fps) == (50, 25)
    with pytest.raises(UnsupportedMedia, match="is not an image"):
        await probe(path, kinds=Kinds.IMAGE)
    with pytest.raises(UnsupportedMedia, match="is not a sound file"):
        await probe(path, kinds=Kinds.AUDIO)


@pytest.mark.parametrize("name", SOUNDS)
async def test_sounds_are_measured(tmp_path: Path, name: str) -> None:
    content_type, codec, options = SOUNDS[name]
    path = sound(tmp_path / name, *options)

    info = await probe(path, kinds=Kinds.AUDIO)

    assert (info.content_type, info.audio_codec, info.has_video) == (content_type, codec, False)
    assert info.duration_s == pytest.approx(2, abs=0.15)  # encoders add some samples
    assert name.startswith("sound.") or sniff(path) == content_type
    with pytest.raises(UnsupportedMedia, match=r"is not an image .* or a video"):
        await probe(path, kinds=Kinds.IMAGE | Kinds.VIDEO)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"])
async def test_pngs_of_every_mode(tmp_path: Path, mode: str) -> None:
    path = picture(tmp_path / "a.png", mode=mode) if mode != "I;16" else tmp_path / "a.png"
    if mode == "I;16":
        Image.new(mode, (160, 120)).save(path)

    assert await probe(path, kinds=Kinds.ANY) == MediaInfo("png", "image/png", width=160, height=120, frames=1)


@pytest.mark.parametrize(
    ("name", "content_type"), [("a.jpg", "image/jpeg"), ("a.gif", "image/gif"), ("a.webp", "image/webp")]
)
async def test_other_pictures(tmp_path: Path, name: str, content_type: str) -> None:
    path = picture(tmp_path / name)

    info = await probe(path, kinds=Kinds.IMAGE)

    assert sniff(path) == info.content_type == content_type
    assert (info.width, info.height, info.duration_s, info.frames) == (160, 120, None, 1)


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
async def test_animations_are_counted(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (40, 30), (shade, 0, 0)) for shade in (0, 100, 200)]
    frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], duration=250)

    info = await probe(tmp_path / name, kinds=Kinds.IMAGE)

    assert (info.frames, info.duration_s, info.has_video) == (3, 0.75, False)


@pytest.mark.parametrize(
    ("orientation", "rotation", "size"),
    [(1, 0, (160, 120)), (2, 0, (160, 120)), (3, 180, (160, 120)), (6, 90, (120, 160)), (8, 270, (120, 160))],
)
async def test_a_picture_is_measured_upright(
    tmp_path: Path, orientation: int, rotation: int, size: tuple[int, int]
) -> None:
    exif = Image.Exif()
    exif[274] = orientation

    info = await probe(picture(tmp_path / "a.jpg", exif=exif), kinds=Kinds.IMAGE)

    assert (info.rotation, (info.width, info.height)) == (rotation, size)


async def test_damaged_exif_does_no_harm(tmp_path: Path) -> None:
    path = picture(tmp_path / "a.jpg", exif=b"Exif\0\0garbage that is no TIFF")

    assert (await probe(path, kinds=Kinds.IMAGE)).rotation == 0


@pytest.mark.parametrize(("turn", "size"), [("90", (120, 160)), ("180", (160, 120)), ("-90", (120, 160))])
async def test_a_film_is_measured_upright(tmp_path: Path, turn: str, size: tuple[int, int]) -> None:
    ffmpeg("-display_rotation", turn, "-i", film(tmp_path / "a.mp4"), "-c", "copy", tmp_path / "b.mp4")

    info = await probe(tmp_path / "b.mp4", kinds=Kinds.VIDEO)

    assert ((info.width, info.height), info.rotation) == (size, -int(turn) % 360)


COVER = ("-map", "0", "-map", "1", "-c:v", "copy", "-disposition:v", "attached_pic")


async def test_a_sound_with_a_cover_is_a_sound(tmp_path: Path) -> None:
    tone, cover = sound(tmp_path / "tone.wav"), picture(tmp_path / "cover.jpg", size=(600, 600))
    for name in ("a.mp3", "a.m4a", "a.flac"):
        covered = tmp_path / name
        ffmpeg("-i", tone, "-i", cover, *COVER, covered)

        info = await probe(covered, kinds=Kinds.AUDIO)

        assert (info.has_video, info.width) == (False, None)
        assert info.duration_s == pytest.approx(2, abs=0.1)


async def test_a_film_of_one_picture(tmp_path: Path) -> None:
    info = await probe(film(tmp_path / "a.mp4", "-frames:v", "1", sound=False), kinds=Kinds.VIDEO)

    assert (info.frames, info.has_audio) == (1, False)
    assert info.duration_s == pytest.approx(1 / 25)


def png(width: int, height: int, data: bytes) -> bytes:
    """A PNG with an honest structure around any header and data."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def cut(path: Path, share: float = 0.5) -> Path:
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    return path


def patched(path: Path, old: bytes, new: bytes) -> Path:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))
    return path


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def silence(path: Path) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
    return path


def many_streams(path: Path) -> Path:
    ffmpeg(*SOUND, *("-map", "0:a") * 20, "-t", "0.1", "-c:a", "pcm_s16le", path)
    return path


def wide(path: Path) -> Path:
    ffmpeg("-f", "lavfi", "-i", "color=size=16500x16:duration=0.1", "-c:v", "mjpeg", path)
    return path


def ten_hours(path: Path) -> Path:
    """A film of 2 s whose header claims ten hours: Matroska's Duration (id 44 89, 8 bytes) is in milliseconds."""
    content = film(path).read_bytes()
    at = content.index(b"\x44\x89\x88") + 3
    return written(path, content[:at] + struct.pack(">d", 36_000_000.0) + content[at + 8 :])


NOT_MEDIA: dict[str, bytes] = {
    "empty": b"",
    "one byte": b"\xff",
    "text": b"hello",
    "HLS": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
    "HLS behind a mark": b"\xef\xbb\xbf#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n",
    "concat": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "DASH": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>/etc/passwd</BaseURL></MPD>',
    "SDP": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nm=video 1 RTP/AVP 96\n",
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "ASS": b"[Script Info]\nScriptType: v4.00+\n",
    "SRT": b"1\n00:00:00,000 --> 00:00:01,000\nhello\n",
    "PLS": b"[playlist]\nFile1=http://127.0.0.1/\n",
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "PDF": b"%PDF-1.7\n",
    "zip": b"PK\x03\x04",
    "HEIC": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "AVIF": b"\x00\x00\x00\x18ftypavif\x00\x00\x00\x00mif1avif",
    "TIFF": b"II*\0\x08\0\0\0",
    "BMP": b"BM\x3a\0\0\0",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n",
    "FLV": b"FLV\x01\x05\0\0\0\x09",
    "TS": b"\x47\x40\x00\x10" + bytes(184) + b"\x47\x40\x00\x10",
    "MIDI": b"MThd\0\0\0\x06",
    "RIFF of another form": b"RIFF\x10\0\0\0RMID" + bytes(16),
    "EBML of another type": b"\x1a\x45\xdf\xa3\x87\x42\x82\x84evil",
    "EBML cut short": b"\x1a\x45\xdf\xa3\x87\x42\x82",
    "tags without a sound": b"ID3\x04\0\0\0\0\0\0" * 100_000,
    "a tag that leads past the end": b"ID3\x04\0\0\x7f\x7f\x7f\x7f",
    "one sync word": b"\xff\xfb\x90\x00" + b"text" * 1_000,
}

DAMAGED: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "PNG cut short": ("damaged", lambda folder: cut(picture(folder / "a.png"))),
    "JPEG cut short": ("damaged", lambda folder: cut(picture(folder / "a.jpg"))),
    "GIF cut short": ("damaged", lambda folder: cut(picture(folder / "a.gif"))),
    "WebP cut short": ("damaged", lambda folder: cut(picture(folder / "a.webp"))),
    "a PNG header alone": ("damaged", lambda folder: written(folder / "a.png", b"\x89PNG\r\n\x1a\n")),
    "a JPEG header before text": ("damaged", lambda folder: written(folder / "a.jpg", b"\xff\xd8\xff\xe0 text")),
    "a wide bomb": ("too large", lambda folder: written(folder / "a.png", png(16_385, 1, b""))),
    "a square bomb": ("too large", lambda folder: written(folder / "a.png", png(10_000, 10_000, b""))),
    "a picture without pixels": ("damaged|no size", lambda folder: written(folder / "a.png", png(0, 0, b""))),
    "MP4 cut short": ("damaged", lambda folder: cut(film(folder / "a.mp4"))),
    "MP4 cut short behind its index": (
        "ends before",
        lambda folder: cut(film(folder / "a.mp4", "-movflags", "faststart", "-g", "5")),
    ),
    "MKV cut short": ("ends before", lambda folder: cut(film(folder / "a.mkv"))),
    "ten hours in a header": ("ends before", lambda folder: ten_hours(folder / "a.mkv")),
    "MP4 without streams": (
        "neither|damaged",
        lambda folder: written(folder / "a.mp4", b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x08moov"),
    ),
    "MP4 with an empty box": ("damaged", lambda folder: written(folder / "a.mp4", b"\0\0\0\x08ftypisom" + bytes(99))),
    "an index into nowhere": ("damaged", lambda folder: patched(film(folder / "a.mp4"), b"stco", b"free")),
    "WAV without samples": ("empty|damaged", lambda folder: silence(folder / "a.wav")),
    "MP3 of noise": ("empty|damaged", lambda folder: written(folder / "a.mp3", b"\xff\xfb\x90\x00" + bytes(413))),
    "twenty streams": ("too many streams", lambda folder: many_streams(folder / "a.mkv")),
    "a rare codec": ("do not read: ffv1", lambda folder: film(folder / "a.mkv", "-c:v", "ffv1")),
    "a film too wide": ("too large", lambda folder: wide(folder / "a.avi")),
    "AVI without a film": ("or a video", lambda folder: sound(folder / "a.avi")),
}


@pytest.mark.parametrize("case", NOT_MEDIA)
async def test_what_is_not_a_medium_is_refused_unopened(tmp_path: Path, case: str) -> None:
    for name in ("a.mp4", "a.png", "a.mp3"):
        path = written(tmp_path / name, NOT_MEDIA[case])

        assert sniff(path) is None
        with pytest.raises(UnsupportedMedia, match="The file is not an image"):
            await probe(path, kinds=Kinds.ANY)


@pytest.mark.parametrize("case", DAMAGED)
async def test_damaged_files_are_refused(tmp_path: Path, case: str) -> None:
    message, make = DAMAGED[case]

    with pytest.raises(UnsupportedMedia, match=message) as refused:
        await probe(make(tmp_path), kinds=Kinds.IMAGE | Kinds.VIDEO if "AVI" in case else Kinds.ANY)

    assert str(tmp_path) not in str(refused.value)


async def test_a_bomb_that_its_header_hides_is_stopped(tmp_path: Path) -> None:
    packed = zlib.compressobj(9)
    data = b"".join(packed.compress(bytes(10_000_000)) for _ in range(20)) + packed.flush()

    info = await probe(written(tmp_path / "a.png", png(8, 8, data)), kinds=Kinds.IMAGE)

    assert (info.width, info.height) == (8, 8)


async def test_the_largest_picture_fits_into_the_jail(tmp_path: Path) -> None:
    Image.new("RGBA", (8_192, 6_144)).save(tmp_path / "a.png", compress_level=1)

    assert (await probe(tmp_path / "a.png", kinds=Kinds.IMAGE)).width == 8_192


async def test_a_name_like_an_option_or_a_protocol_is_a_name(tmp_path: Path) -> None:
    for name in ("-i", "concat:a|b", "http:a", "%d"):
        assert (await probe(film(tmp_path / "a.mp4").rename(tmp_path / name), kinds=Kinds.VIDEO)).frames == 50

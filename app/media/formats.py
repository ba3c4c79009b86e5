"""The formats that we read, told by their first bytes. What is not in this table is not a medium to us.

Playlists and scripts (HLS, DASH, SDP, concat, SVG, ASS) are absent on purpose: they name other files.
FFmpeg's own guess is never asked for: each file is opened with the one demuxer that stands here.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Flag, auto
from pathlib import Path


class Kinds(Flag):
    """What a place accepts."""

    IMAGE = auto()
    VIDEO = auto()
    AUDIO = auto()
    ANY = IMAGE | VIDEO | AUDIO

    def __str__(self) -> str:
        return " or ".join(NAMES[kind] for kind in self)


NAMES = {
    Kinds.IMAGE: "an image (PNG, JPEG, GIF, WebP)",
    Kinds.VIDEO: "a video (MP4, MOV, WebM, MKV, AVI)",
    Kinds.AUDIO: "a sound file (MP3, WAV, AAC, M4A, OGG, FLAC)",
}


@dataclass(frozen=True, slots=True)
class Format:
    """One format: our name of the container, its type, FFmpeg's demuxer, and what the first bytes say that it holds.

    A container for video that turns out to hold sound alone is served as `sound_type`.
    """

    container: str
    content_type: str
    demuxer: str
    kind: Kinds
    sound_type: str | None = None

    @property
    def possible_kinds(self) -> Kinds:
        """What a file of this format may turn out to be."""
        return self.kind | Kinds.AUDIO if self.sound_type else self.kind


PNG = Format("png", "image/png", "png_pipe", Kinds.IMAGE)
JPEG = Format("jpeg", "image/jpeg", "jpeg_pipe", Kinds.IMAGE)
GIF = Format("gif", "image/gif", "gif", Kinds.IMAGE)
WEBP = Format("webp", "image/webp", "webp_pipe", Kinds.IMAGE)
MP4 = Format("mp4", "video/mp4", "mov", Kinds.VIDEO, "audio/mp4")
MOV = Format("mov", "video/quicktime", "mov", Kinds.VIDEO, "audio/mp4")
WEBM = Format("webm", "video/webm", "matroska", Kinds.VIDEO, "audio/webm")
MKV = Format("mkv", "video/x-matroska", "matroska", Kinds.VIDEO, "audio/x-matroska")
AVI = Format("avi", "video/x-msvideo", "avi", Kinds.VIDEO)
M4A = Format("m4a", "audio/mp4", "mov", Kinds.AUDIO)
MP3 = Format("mp3", "audio/mpeg", "mp3", Kinds.AUDIO)
WAV = Format("wav", "audio/wav", "wav", Kinds.AUDIO)
AAC = Format("aac", "audio/aac", "aac", Kinds.AUDIO)
OGG = Format("ogg", "audio/ogg", "ogg", Kinds.AUDIO)
FLAC = Format("flac", "audio/flac", "flac", Kinds.AUDIO)

FORMATS = {
    one.container: one for one in (PNG, JPEG, GIF, WEBP, MP4, MOV, WEBM, MKV, AVI, M4A, MP3, WAV, AAC, OGG, FLAC)
}

# FFmpeg's decoders that files of strangers may reach: those of the formats above, of the hundreds that there are.
DECODERS = (
    *(
        "h264",
        "hevc",
        "libdav1d",
        "av1",
        "vp8",
        "vp9",
        "mpeg4",
        "msmpeg4",
        "mpeg1video",
        "mpeg2video",
        "h263",
        "theora",
    ),
    *("mjpeg", "prores", "dnxhd", "png", "gif", "webp", "rawvideo"),
    *(
        "aac",
        "mp3",
        "mp3float",
        "mp2",
        "mp2float",
        "opus",
        "libopus",
        "vorbis",
        "libvorbis",
        "flac",
        "alac",
        "ac3",
        "eac3",
    ),
    *("pcm_u8", "pcm_s8", "pcm_s16le", "pcm_s16be", "pcm_s24le", "pcm_s24be", "pcm_s32le", "pcm_s32be"),
    *("pcm_f32le", "pcm_f32be", "pcm_f64le", "pcm_f64be", "pcm_alaw", "pcm_mulaw", "adpcm_ms", "adpcm_ima_wav"),
    *("amrnb", "amrwb"),
)

HEAD = 4_096
ID3_TAGS = 4  # before the sound; a file of nothing but tags is not read to its end
# ISO base media brands that are pictures, not films.
PICTURE_BRANDS = (
    b"avif",
    b"avis",
    b"heic",
    b"heif",
    b"heim",
    b"heis",
    b"heix",
    b"hevc",
    b"hevm",
    b"hevx",
    b"mif1",
    b"msf1",
)
SOUND_BRANDS = (b"M4A ", b"M4B ")
QUICKTIME_ATOMS = (b"moov", b"mdat", b"wide", b"free")


def sniff_format(path: Path) -> Format | None:
    """The format of a file by its first bytes, or None for one that we do not read."""
    with path.open("rb") as file:
        head = file.read(HEAD)
        if not head.startswith(b"ID3"):
            return _sniff(head)
        for _ in range(ID3_TAGS):
            file.seek(_id3_length(head) - len(head), os.SEEK_CUR)
            head = file.read(HEAD)
            if not head.startswith(b"ID3"):
                break
    return FLAC if head.startswith(b"fLaC") else _sniff_frames(head.lstrip(b"\0"))


def sniff(path: Path) -> str | None:
    """The content type of a file by its first bytes, which is the one to serve it with; None for one we do not read."""
    found = sniff_format(path)
    return found.content_type if found else None


def _sniff(head: bytes) -> Format | None:
    for magic, found in MAGIC:
        if head.startswith(magic):
            return found(head) if callable(found) else found
    if head[4:8] == b"ftyp":
        return _sniff_brand(head[8:12])
    if head[4:8] in QUICKTIME_ATOMS:
        return MOV
    return _sniff_frames(head)


def _sniff_riff(head: bytes) -> Format | None:
    return {b"WEBP": WEBP, b"WAVE": WAV, b"AVI ": AVI}.get(head[8:12])


def _sniff_ebml(head: bytes) -> Format | None:
    # The DocType element: id 42 82, a length of one byte, the name.
    _, found, after = head.partition(b"\x42\x82")
    name = after[1 : 1 + (after[0] & 0x7F)] if found and after else b""
    return {b"webm": WEBM, b"matroska": MKV}.get(name)


def _sniff_brand(brand: bytes) -> Format | None:
    if brand in PICTURE_BRANDS:
        return None
    return MOV if brand == b"qt  " else M4A if brand in SOUND_BRANDS else MP4


MAGIC: tuple[tuple[bytes, Format | Callable[[bytes], Format | None]], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"RIFF", _sniff_riff),
    (b"\x1a\x45\xdf\xa3", _sniff_ebml),
    (b"fLaC", FLAC),
    (b"OggS", OGG),
)


def _id3_length(head: bytes) -> int:
    """Bytes of an ID3v2 tag with its header, and its footer if it has one (id3.org, ID3v2.4 structure, 3.1)."""
    length = 0
    for byte in head[6:10]:
        length = length << 7 | byte & 0x7F
    return 10 + length + (10 if head[5] & 0x10 else 0)


def _sniff_frames(head: bytes) -> Format | None:
    """MP3 and ADTS have no magic bytes: one frame must lead to the next."""
    for found, length_of in ((MP3, _mpeg_frame_length), (AAC, _adts_frame_length)):
        length = length_of(head)
        following = head[length:]
        if length and (not following or length_of(following)):
            return found
    return None


# Kilobits per second by layer and version: ISO/IEC 11172-3 2.4.2.3 and 13818-3.
LAYER_2_MPEG_1 = (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384)
LAYER_3_MPEG_1 = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
LAYERS_2_3_MPEG_2 = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
SAMPLE_RATES = (44_100, 48_000, 32_000)


def _mpeg_frame_length(head: bytes) -> int:
    """Bytes of the MPEG audio frame (layer II or III) at the start, or 0 when there is none."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return 0
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)  # version 3 is MPEG-1, 2 is MPEG-2, 0 is MPEG-2.5
    bit_rate, sample_rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer not in (2, 3) or bit_rate in (0, 15) or sample_rate == 3:
        return 0
    mpeg_1 = version == 3
    table = (LAYER_2_MPEG_1 if layer == 2 else LAYER_3_MPEG_1) if mpeg_1 else LAYERS_2_3_MPEG_2
    hertz = SAMPLE_RATES[sample_rate] // {3: 1, 2: 2, 0: 4}[version]
    samples = 1152 if mpeg_1 or layer == 2 else 576
    return samples // 8 * table[bit_rate] * 1000 // hertz + padding


def _adts_frame_length(head: bytes) -> int:
    """Bytes of the ADTS frame at the start, or 0 when there is none (ISO/IEC 13818-7, 6.2)."""
    if len(head) < 7 or head[0] != 0xFF or head[1] & 0xF6 != 0xF0:
        return 0
    length = (head[3] & 3) << 11 | head[4] << 3 | head[5] >> 5
    return length if length > 7 else 0

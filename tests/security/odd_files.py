"""Files of a stranger: what names other files in the dress of a medium, and media that lie about themselves.

Each is made of the address of a canary and the path of a neighbour's file, which a careless reader would open.
"""

import io
import struct
import wave
import zipfile
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from PIL import Image

from tests.examples import make_file
from tests.mediafiles import ffmpeg, film, picture, sound

Make = Callable[[Path], bytes]


def box(kind: bytes, *parts: bytes) -> bytes:
    """A box of an ISO base media file."""
    body = b"".join(parts)
    return struct.pack(">I", len(body) + 8) + kind + body


def chunk(kind: bytes, *parts: bytes) -> bytes:
    """A chunk of a RIFF file."""
    body = b"".join(parts)
    return kind + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def png(width: int, height: int, data: bytes, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG with an honest structure around any header and data."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), *more, (b"IDAT", data), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


def zeros(megabytes: int) -> bytes:
    """So many megabytes of nothing, packed."""
    packed = zlib.compressobj(9)
    return b"".join(packed.compress(bytes(1_000_000)) for _ in range(megabytes)) + packed.flush()


def made(make: Callable[..., Path], name: str, *options: object) -> Make:
    """The bytes of a file that a tool makes."""
    return lambda folder: make(folder / name, *options).read_bytes()


def patched(make: Make, old: bytes, new: bytes) -> Make:
    """The bytes of a file with a part changed in its place."""

    def change(folder: Path) -> bytes:
        content = make(folder)
        assert old in content
        return content.replace(old, new)

    return change


GOOD_FILM: Make = lambda _: make_file(".mp4")  # noqa: E731 (a maker like the others)
PARENTS = (b"moov", b"trak", b"mdia", b"minf", b"dinf")


def with_reference(target: bytes, folder: Path) -> bytes:
    """A film whose samples are said to lie in another file (`dref`, ISO/IEC 14496-12, 8.7.2)."""
    content = GOOD_FILM(folder)
    here = box(b"url ", b"\0\0\0\1")
    there = box(b"url ", b"\0\0\0\0", target + b"\0")
    at = content.index(here)
    changed = bytearray(content.replace(here, there, 1))
    for kind in (*PARENTS, b"dref"):
        start = content.rindex(kind, 0, at) - 4
        size = int.from_bytes(content[start : start + 4]) + len(there) - len(here)
        changed[start : start + 4] = struct.pack(">I", size)
    return bytes(changed)


def reference_movie(target: bytes) -> bytes:
    """A QuickTime movie that is nothing but the address of another one (`rmra`)."""
    rdrf = box(b"rdrf", b"\0\0\0\0url ", struct.pack(">I", len(target) + 1), target + b"\0")
    return box(b"ftyp", b"qt  \0\0\0\0qt  ") + box(b"moov", box(b"rmra", box(b"rmda", rdrf)))


def subtitled_avi(playlist: bytes) -> bytes:
    """An AVI whose stream of subtitles (`GAB2`) is a playlist: FFmpeg probes it for any format."""
    main = struct.pack("<14I", 40_000, 0, 0, 0x10, 1, 0, 1, 0, 160, 120, 0, 0, 0, 0)
    stream = b"txts" + bytes(16) + struct.pack("<8I", 1, 25, 0, 1, 0, 0, 0, 0) + bytes(4)
    name = "a\0".encode("utf-16-le")
    gab2 = b"GAB2\0\2\0" + struct.pack("<I", len(name)) + name + b"\4\0" + struct.pack("<I", len(playlist)) + playlist
    header = chunk(b"LIST", b"hdrl", chunk(b"avih", main), chunk(b"LIST", b"strl", chunk(b"strh", stream),
                                                                 chunk(b"strf", bytes(40))))
    return chunk(b"RIFF", b"AVI ", header, chunk(b"LIST", b"movi", chunk(b"00tx", gab2)))


def id3(frame: bytes, body: bytes) -> bytes:
    """An ID3v2.3 tag of one frame."""
    inside = frame + struct.pack(">IH", len(body), 0) + body
    size = bytes(len(inside) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\3\0\0" + size + inside


def silence(claimed: int, folder: Path) -> bytes:
    """A WAV of a tenth of a second that claims so many bytes."""
    with wave.open(str(folder / "a.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(24_000)
        file.writeframes(bytes(4_800))
    content = (folder / "a.wav").read_bytes()
    return content.replace(b"data" + struct.pack("<I", 4_800), b"data" + struct.pack("<I", claimed))


def archive() -> bytes:
    """A zip with a page in it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("index.html", "<script>alert(1)</script>")
    return packed.getvalue()


def animation(frames: int, folder: Path) -> bytes:
    """A GIF of so many pictures of one pixel."""
    one, other = (Image.new("P", (1, 1), shade) for shade in (0, 1))
    one.save(folder / "a.gif", save_all=True, append_images=[other, one], duration=10)
    content = (folder / "a.gif").read_bytes()
    start = content.index(b"\x21\xf9")
    return content[:start] + content[start:-1] * (frames // 3) + b";"


def ten_hours(folder: Path) -> bytes:
    """Matroska's Duration (id 44 89, 8 bytes) is in milliseconds."""
    content = film(folder / "a.mkv").read_bytes()
    at = content.index(b"\x44\x89\x88") + 3
    return content[:at] + struct.pack(">d", 36_000_000.0) + content[at + 8 :]


def nested(depth: int) -> bytes:
    """Boxes in boxes."""
    inside = b""
    for _ in range(depth):
        inside = box(b"moov", inside)
    return box(b"ftyp", b"isom\0\0\0\0isom") + inside


def frame_of(size: str, folder: Path) -> bytes:
    """A film of one picture."""
    ffmpeg("-f", "lavfi", "-i", f"color=size={size}:rate=25:duration=0.04", "-c:v", "mjpeg", folder / "a.avi")
    return (folder / "a.avi").read_bytes()


def with_attachment(folder: Path) -> bytes:
    """A film with a page attached."""
    page = folder / "a.html"
    page.write_text("<script>alert(1)</script>")
    ffmpeg("-i", film(folder / "plain.mkv"), "-c", "copy", "-attach", page, "-metadata:s:t", "mimetype=text/html",
           folder / "a.mkv")
    return (folder / "a.mkv").read_bytes()


def early(folder: Path) -> bytes:
    """A film whose first pictures are before time 0."""
    ffmpeg("-i", film(folder / "plain.mp4"), "-c", "copy", "-output_ts_offset", "-1", "-avoid_negative_ts", "disabled",
           folder / "a.mp4")
    return (folder / "a.mp4").read_bytes()


def playlists(canary: str, neighbour: Path) -> Mapping[str, tuple[str, bytes]]:
    """What names other files or addresses; no output may come of it. By case: the suffix and the bytes."""
    path, url = str(neighbour), canary
    hls = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nfile://{path}\n#EXT-X-ENDLIST\n".encode()
    hls_http = f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{url}a.ts\n#EXT-X-ENDLIST\n".encode()
    key = f'#EXT-X-KEY:METHOD=AES-128,URI="{url}"\n'.encode()
    xspf = f'<playlist version="1"><trackList><track><location>{url}</location></track></trackList></playlist>'
    dash = (f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
            f'<Representation id="1" mimeType="video/mp4"><BaseURL>{url}a.mp4</BaseURL></Representation>'
            "</AdaptationSet></Period></MPD>")
    return {
        "HLS that names a file": (".mp4", hls),
        "HLS that names an address": (".mp3", hls_http),
        "HLS with a key elsewhere": (".mp4", hls.replace(b"#EXTINF", key + b"#EXTINF")),
        "HLS behind a byte order mark": (".png", b"\xef\xbb\xbf" + hls),
        "HLS behind a tag of a sound": (".mp3", id3(b"TIT2", b"\0a") + hls),
        "HLS in an AVI's subtitles": (".avi", subtitled_avi(hls)),
        "a list for concat": (".mp4", f"ffconcat version 1.0\nfile '{path}'\n".encode()),
        "DASH": (".mp4", dash.encode()),
        "SDP": (".mp4", b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 96\n"),
        "SVG with an image": (".png", f'<svg xmlns="http://www.w3.org/2000/svg"><image href="file://{path}"/></svg>'.encode()),
        "SVG with an entity": (".jpg", f'<!DOCTYPE svg [<!ENTITY x SYSTEM "file://{path}">]><svg>&x;</svg>'.encode()),
        "ASS": (".mp4", b"[Script Info]\nScriptType: v4.00+\n[Events]\nDialogue: 0,0:00:00.00,0:00:02.00,,,0,0,0,,a\n"),
        "PLS": (".mp3", f"[playlist]\nFile1={url}a.mp3\nNumberOfEntries=1\n".encode()),
        "XSPF": (".mp3", xspf.encode()),
        "a MOV of a reference": (".mov", reference_movie(url.encode())),
        "a web page": (".png", b"<!doctype html><script>fetch('/')</script>"),
        "an archive": (".png", archive()),
        "PostScript": (".jpg", f"%!PS-Adobe-3.0 EPSF-3.0\n({path}) run\n".encode()),
        "a script for ImageMagick": (".png", f"push graphic-context\nimage over 0,0 0,0 '{url}'\n".encode()),
    }


# A film or sound that is good in itself, and names another: what comes of it must be of its own bytes.
def referring(canary: str, neighbour: Path) -> Mapping[str, tuple[str, Make]]:
    """What may be used, as long as nothing else is opened."""
    return {
        "samples in another file": (".mp4", partial(with_reference, b"file://" + str(neighbour).encode())),
        "samples at an address": (".mp4", partial(with_reference, canary.encode())),
        "a cover at an address": (
            ".mp3", lambda folder: id3(b"APIC", b"\0-->\0\3\0" + canary.encode())
            + made(sound, "bare.mp3", "-id3v2_version", "0")(folder)),
        "a picture and a playlist": (
            ".jpg", lambda folder: made(picture, "a.jpg")(folder) + f"\n#EXTM3U\n{canary}".encode()),
        "a page attached": (".mkv", with_attachment),
    }


# Broken or lying: refused, with words that say why.
LIARS: Mapping[str, tuple[str, Make]] = {
    "no frames": (".mp4", lambda _: box(b"ftyp", b"isom\0\0\0\0isom") + box(b"moov", box(b"mvhd", bytes(100)))),
    "no pixels": (".png", lambda _: png(0, 0, b"")),
    "a canvas of 4 gigapixels": (".gif", patched(made(picture, "a.gif"), struct.pack("<HH", 160, 120), b"\xff" * 4)),
    "wider than 16,384": (".avi", partial(frame_of, "16500x16")),
    "a square bomb": (".png", lambda _: png(20_000, 20_000, zeros(20))),
    "ten hours in a header": (".mkv", ten_hours),
    "half a film": (".mp4", lambda folder: GOOD_FILM(folder)[:-2_000]),
    "an index into nowhere": (".mp4", patched(GOOD_FILM, b"stco", b"free")),
    "four billion samples": (".mp4", lambda folder: _many_samples(GOOD_FILM(folder))),
    "boxes in boxes": (".mp4", lambda _: nested(5_000)),
    "a box longer than the file": (".mp4", lambda _: box(b"ftyp", b"isom\0\0\0\0isom") + b"\x7f\xff\xff\xffmoov"),
    "a picture cut short": (".jpg", lambda folder: made(picture, "a.jpg")(folder)[:400]),
    "a sync word and noise": (".mp3", lambda _: b"\xff\xfb\x90\x00" + b"noise" * 500),
    "a rare codec": (".mkv", made(film, "a.mkv", "-c:v", "ffv1")),
}


def _many_samples(content: bytes) -> bytes:
    at = content.index(b"stsz") + 12
    return content[:at] + b"\xff\xff\xff\xff" + content[at + 4 :]


# Odd, and media all the same: made use of or refused, and the service goes on.
ODD: Mapping[str, tuple[str, Make]] = {
    "one pixel": (".png", made(picture, "a.png", (1, 1))),
    "two pixels of film": (".avi", partial(frame_of, "2x2")),
    "8K": (".avi", partial(frame_of, "7680x4320")),
    "times before the beginning": (".mp4", early),
    "an edit of a century": (".mp4", lambda folder: _century(GOOD_FILM(folder))),
    "data behind the pixels": (".png", lambda _: png(8, 8, zeros(200))),
    "a text bomb": (".png", lambda _: png(8, 8, zlib.compress(bytes(200)), (b"zTXt", b"a\0\0" + zeros(200)))),
    "30,000 frames": (".gif", partial(animation, 30_000)),
    "4 GB of sound in a header": (".wav", partial(silence, 0xFFFF_FFF0)),
}


def _century(content: bytes) -> bytes:
    at = content.index(b"elst") + 12
    return content[:at] + struct.pack(">Ii", 0xFFFF_FFFF, -0x7FFF_FFFF) + content[at + 8 :]

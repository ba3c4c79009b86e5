"""Clips and tracks, made with FFmpeg, and the mark that makes a cached file one task's own."""

import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

import imageio_ffmpeg

from app.sandbox.media.specs import Clip, Track

FPS = 24
TIME_LIMIT_S = 120
# A minor progression of four chords, two seconds each; `variation` moves it up.
CHORDS = ((0, 3, 7), (-4, 0, 3), (-9, -5, -2), (-2, 2, 5))
CHORD_S = 2
ROOT_HZ = 220.0


def render(media: Clip | Track, target: Path) -> None:
    """Write the file. Raises subprocess.SubprocessError."""
    arguments = _clip(media) if isinstance(media, Clip) else _track(media)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    command = [ffmpeg, "-nostdin", "-v", "error", "-y", *arguments, "-threads", "1", str(target)]
    subprocess.run(command, check=True, timeout=TIME_LIMIT_S, stdin=subprocess.DEVNULL, capture_output=True)


def _clip(clip: Clip) -> list[str]:
    # The gradient is drawn small and enlarged: it has no detail to lose, and drawing it is what takes the time.
    small = f"{max(16, clip.width // 4)}x{max(16, clip.height // 4)}"
    picture = f"gradients=s={small}:r={FPS}:d={clip.seconds}:n=4:speed=0.015:seed=7,scale={clip.width}:{clip.height}"
    sound = [] if not clip.has_sound else ["-f", "lavfi", "-i", _music(clip.seconds, 0), "-c:a", "aac", "-b:a", "96k"]
    encoder = ["-c:v", "libx264", "-preset", "ultrafast", "-crf", "26", "-pix_fmt", "yuv420p"]
    return ["-f", "lavfi", "-i", f"{picture},setsar=1", *sound, *encoder, "-t", f"{clip.seconds}",
            "-movflags", "+faststart"]


def _track(track: Track) -> list[str]:
    return ["-f", "lavfi", "-i", _music(track.seconds, track.variation), "-c:a", "libmp3lame", "-b:a", "96k",
            "-write_xing", "1"]


def _music(seconds: float, variation: int) -> str:
    """A source of soft chords."""
    notes = "+".join(
        f"{_chord(chord, variation)}*eq(mod(floor(t/{CHORD_S}),{len(CHORDS)}),{number})"
        for number, chord in enumerate(CHORDS)
    )
    fade = f"min(1,8*mod(t,{CHORD_S}))*exp(-0.8*mod(t,{CHORD_S}))"
    return f"aevalsrc='0.25*({notes})*{fade}':d={seconds}:s=44100"


def _chord(semitones: Sequence[int], variation: int) -> str:
    tones = (ROOT_HZ * 2 ** ((semitone + 2 * variation) / 12) for semitone in semitones)
    return "(" + "+".join(f"sin({hertz * 2 * 3.14159265:.3f}*t)" for hertz in tones) + ")"


def marked(file: bytes, media: Clip | Track, mark: str) -> bytes:
    """The file as one task's own: equal specs share a rendering, and yet no two tasks have the same bytes.

    An MP4 has the mark in a `free` box at its end, an MP3 as the title in an ID3 tag; players see the same film.
    """
    text = mark.encode()
    if isinstance(media, Clip):
        return file + struct.pack(">I4s", 8 + len(text), b"free") + text
    frame = struct.pack(">4sIH", b"TIT2", _syncsafe(1 + len(text)), 0) + b"\x03" + text
    return struct.pack(">3sBBBI", b"ID3", 4, 0, 0, _syncsafe(len(frame))) + frame + _without_tag(file)


def _without_tag(file: bytes) -> bytes:
    if not file.startswith(b"ID3"):
        return file
    (size,) = struct.unpack(">I", file[6:10])
    plain = sum((size >> (8 * place) & 0x7F) << (7 * place) for place in range(4))
    return file[10 + plain :]


def _syncsafe(size: int) -> int:
    """A size as ID3 writes it: seven bits a byte."""
    return sum((size >> (7 * place) & 0x7F) << (8 * place) for place in range(4))

"""A film from a still picture: Ken Burns (contract 2.4), encoded with FFmpeg through ffmpeg-python.

FFmpeg's own `zoompan` moves its window by whole pixels, which shakes visibly at the usual speeds. So the frames are
resampled by a child of ours (kenburns_child.py) with a window that lies between pixels, and piped to FFmpeg.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import ffmpeg

from app.errors import UnsupportedMedia
from app.media.ffmpeg import AAC, H264, MEMORY_BYTES, OnProgress, binary, command, media_input, not_made
from app.media.formats import Kinds, sniff_format
from app.media.motion import FPS, KenBurns
from app.media.process import Limits, ProcessFailed, python, run

__all__ = ["KenBurns", "render"]

SAMPLE_RATE = 48_000
FADE_S = 0.5

# What the frames are (pictures.py). FFmpeg takes untagged ones for BT.601 and would convert them.
BT709 = {"range": "tv", "colorspace": "bt709", "color_primaries": "bt709", "color_trc": "bt709"}

# A frame of 1920 × 1080 takes 20 ms of a core here. On a slow and busy machine it may take twenty times as long.
START_S = 30.0
FRAME_S = 0.4


async def render(
    image: Path, output: Path, spec: KenBurns, *, music: Path | None = None, on_progress: OnProgress | None = None
) -> None:
    """Make an MP4 (H.264, 30 frames a second) from a picture, with the music as AAC if there is any.

    Its sides are those of the upright picture, scaled down to 1920 for the longer one, and even. `on_progress` is told
    percent. Both files have been probed. Raises UnsupportedMedia and NotMade; then, and when it is cancelled, neither
    output nor process is left.
    """
    with _whole_or_no_file(output):
        try:
            await run(
                _command(image, output, spec, music),
                work_dir=output.parent,
                reads=[Path(binary()), image] if music is None else [Path(binary()), image, music],
                limits=Limits(time_s=START_S + FRAME_S * spec.frames, memory_bytes=MEMORY_BYTES),
                on_line=lambda done: on_progress(100.0 * int(done) / spec.frames) if on_progress else None,
            )
        except ProcessFailed as failure:
            raise not_made(failure) from failure


def _command(image: Path, output: Path, spec: KenBurns, music: Path | None) -> list[str]:
    sniffed = sniff_format(image)
    if sniffed is None or sniffed.kind is not Kinds.IMAGE:
        raise UnsupportedMedia(f"The file is not {Kinds.IMAGE}.")
    job = {"image": str(image.absolute()), "container": sniffed.container, "spec": asdict(spec)}
    return python("app.media.kenburns_child", json.dumps(job), *command(_film(output.absolute(), spec, music)))


def _film(output: Path, spec: KenBurns, music: Path | None) -> ffmpeg.Stream:
    frames = ffmpeg.input("pipe:0", f="yuv4mpegpipe", protocol_whitelist="pipe").filter("setparams", **BT709)
    if music is None:
        return ffmpeg.output(frames, f"file:{output}", f="mp4", **H264)
    sound = _soundtrack(music, spec.frames / FPS)
    return ffmpeg.output(frames, sound, f"file:{output}", f="mp4", map_metadata=-1, **H264, **AAC)


def _soundtrack(music: Path, seconds: float) -> ffmpeg.Stream:
    """The music for exactly so long: what is longer is cut, what is shorter begins again, and it fades at the end."""
    fade_s = min(FADE_S, seconds / 2)
    samples = round(seconds * SAMPLE_RATE)
    return (
        media_input(music.absolute())
        .audio.filter("aformat", sample_fmts="fltp", sample_rates=SAMPLE_RATE, channel_layouts="stereo")
        .filter("asetpts", "N/SR/TB")
        .filter("atrim", end_sample=samples)
        .filter("aloop", loop=-1, size=samples)
        .filter("asetpts", "N/SR/TB")
        .filter("atrim", end_sample=samples)
        .filter("afade", type="out", start_time=seconds - fade_s, duration=fade_s)
    )


@contextmanager
def _whole_or_no_file(path: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise

"""FFmpeg: its binary, safe inputs, and running what was built with ffmpeg-python.

Nothing that a user wrote goes into an argument or a filter graph: numbers are ours, words go through files we write.
"""

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

import ffmpeg
import imageio_ffmpeg

from app.errors import NotMade, UnsupportedMedia
from app.media.formats import DECODERS, sniff_format
from app.media.process import MIB, Limits, OnLine, ProcessFailed, Reason
from app.media.process import run as run_process

# Called with what is done, in percent.
OnProgress = Callable[[float], None]

GLOBAL_OPTIONS = ("-nostdin", "-hide_banner", "-loglevel", "error")
MEMORY_BYTES = 1024 * MIB
# Encoder threads: media workers run one job per core, and each thread holds frames of its own.
THREADS = 2
H264 = {
    "vcodec": "libx264",
    "preset": "veryfast",
    "crf": 18,
    "pix_fmt": "yuv420p",
    "threads": THREADS,
    "movflags": "+faststart",
}
AAC = {"acodec": "aac", "audio_bitrate": "192k"}

FAILURES = {
    Reason.TIME: "The work took too long.",
    Reason.MEMORY: "The work needs too much memory.",
    Reason.FILE_SIZE: "The result would be too large.",
}


@cache
def binary() -> str:
    """FFmpeg's path: the one of the wheel, or what imageio-ffmpeg finds where its wheel brings none."""
    # It would run what it finds, once, in an environment with all our secrets.
    brought = files("imageio_ffmpeg") / "binaries"
    found = [str(file) for file in brought.iterdir() if file.name.startswith("ffmpeg-")]
    return found[0] if found else str(imageio_ffmpeg.get_ffmpeg_exe())


def media_input(path: Path, **options: str | float) -> ffmpeg.Stream:
    """A stranger's file as an input: by the demuxer of its first bytes, without other files and rare decoders.

    Raises UnsupportedMedia when it is none that we read.
    """
    sniffed = sniff_format(path)
    if sniffed is None:
        raise UnsupportedMedia("The file is not one that we read.")
    return ffmpeg.input(
        f"file:{path}",
        f=sniffed.demuxer,
        format_whitelist=sniffed.demuxer,
        codec_whitelist=",".join(DECODERS),
        protocol_whitelist="file",
        **options,
    )


def command(output: ffmpeg.Stream, *options: str) -> list[str]:
    """The command line of a graph, which ends in `ffmpeg.output`. Overwrites the output file."""
    compiled: list[str] = ffmpeg.compile(output, cmd=[binary(), *GLOBAL_OPTIONS, *options], overwrite_output=True)
    return compiled


async def run(
    output: ffmpeg.Stream,
    *,
    work_dir: Path,
    duration_s: float,
    time_limit_s: float,
    on_progress: OnProgress | None = None,
) -> None:
    """Run a graph whose result lasts `duration_s`. Raises NotMade; what was written by then is the caller's to remove.

    FFmpeg is gone when the call returns, raises or is cancelled.
    """
    limits = Limits(time_s=time_limit_s, memory_bytes=MEMORY_BYTES)
    line = _progress_line(duration_s, on_progress) if on_progress else None
    with_progress = command(output, "-progress", "pipe:1")
    try:
        await run_process(with_progress, work_dir=work_dir, limits=limits, on_line=line)
    except ProcessFailed as failure:
        raise not_made(failure) from failure


def not_made(failure: ProcessFailed) -> NotMade:
    """What a client is told of a tool that failed."""
    return NotMade(FAILURES.get(failure.reason, "The file could not be made from these inputs."))


def _progress_line(duration_s: float, on_progress: OnProgress) -> OnLine:
    def take(line: str) -> None:
        name, _, value = line.partition("=")
        if name == "out_time_us" and value.lstrip("-").isdigit():  # "N/A" until there is a first frame
            on_progress(min(100.0, max(0.0, int(value) / duration_s / 10_000)))

    return take

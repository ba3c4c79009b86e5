"""Files made anew, within what a provider takes: another type, fewer bytes, the same to the eye."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import ffmpeg

from app.errors import NotMade, UnsupportedMedia
from app.media.ffmpeg import AAC, H264, media_input, not_made, run
from app.media.formats import Kinds, sniff_format
from app.media.probe import MediaInfo
from app.media.process import MIB, Limits, ProcessFailed, python
from app.media.process import run as run_process

TOO_LARGE = "The file cannot be made small enough for the provider."
PICTURE_LIMITS = Limits(time_s=60, memory_bytes=1024 * MIB, file_bytes=200 * MIB, processes=1)
FILM_TIME_LIMIT_S = 300
# Above this nobody sees a difference; below what a file may have an encoder needs room to be off.
BITS_PER_S_MOST = 12_000_000
ROOM = 0.7


@dataclass(frozen=True, slots=True)
class Refitted:
    """The new file and its type."""

    path: Path
    content_type: str


def fits(media: MediaInfo, size: int, *, types: Collection[str], limit_bytes: int) -> bool:
    """Whether a file may go as it is."""
    return media.content_type in types and size <= limit_bytes


async def refit(source: Path, media: MediaInfo, *, limit_bytes: int) -> Refitted:
    """A probed picture as JPEG (WebP if parts of it are transparent), a probed film as MP4, of at most so many bytes.

    It lies beside the source. Raises NotMade for a file that cannot be made so small, UnsupportedMedia for sound.
    """
    if media.kind is Kinds.IMAGE:
        made = await _refit_picture(source, limit_bytes)
    elif media.kind is Kinds.VIDEO:
        made = await _refit_film(source, media.duration_s or 1.0, limit_bytes)
    else:
        raise UnsupportedMedia("The file is neither picture nor film.")
    if made.path.stat().st_size > limit_bytes:
        raise NotMade(TOO_LARGE)
    return made


async def _refit_picture(source: Path, limit_bytes: int) -> Refitted:
    sniffed = sniff_format(source)
    if sniffed is None:
        raise UnsupportedMedia(f"The file is not {Kinds.IMAGE}.")
    stem = source.with_name(f"{source.name}-refitted")
    asked = {"source": source.name, "container": sniffed.container, "stem": stem.name, "limit_bytes": limit_bytes}
    try:
        said = await run_process(
            python("app.media.refit_child", json.dumps(asked)), work_dir=source.parent, limits=PICTURE_LIMITS
        )
    except ProcessFailed as failure:
        raise not_made(failure) from failure
    made: dict[str, str] = json.loads(said)
    return Refitted(source.with_name(made["name"]), made["content_type"])


async def _refit_film(source: Path, seconds: float, limit_bytes: int) -> Refitted:
    target = source.with_name(f"{source.name}-refitted.mp4")
    bits_per_s = min(BITS_PER_S_MOST, int(limit_bytes * 8 * ROOM / seconds))
    film = media_input(source)
    picture = film.video.filter("scale", "trunc(iw/2)*2", "trunc(ih/2)*2")
    output = ffmpeg.output(
        picture, f"file:{target}", f="mp4", map="0:a?", maxrate=bits_per_s, bufsize=bits_per_s, **H264, **AAC
    )
    await run(output, work_dir=source.parent, duration_s=seconds, time_limit_s=FILM_TIME_LIMIT_S)
    return Refitted(target, "video/mp4")

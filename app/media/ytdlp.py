"""Downloading a video from a platform with yt-dlp, jailed: it reaches the network through our proxy alone."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from app.errors import FetchFailed, FileTooLarge, MediaError, UnsupportedMedia
from app.media.ffmpeg import OnProgress
from app.media.guard import Guard
from app.media.platforms import Platform
from app.media.process import MIB, Limits, ProcessFailed, Reason, python, run
from app.media.proxy import Proxy, guarded_proxy
from app.media.ytdlp_failures import Failure, sort_failure

if TYPE_CHECKING:  # it loads yt-dlp, which only the child needs
    from app.media.ytdlp_child import Order, Told

log = structlog.get_logger()

# What yt-dlp says names addresses, whose queries may be somebody's keys.
ADDRESS = re.compile(r"\w+://\S+")

ORDER = "order.json"
MEMORY_BYTES = 1024 * MIB
# Pages, playlists of segments and scripts come in beside the video.
BESIDE_BYTES = 64 * MIB
# yt-dlp writes blocks of up to 4 MiB, and looks at the size after each.
SLACK_BYTES = 8 * MIB
# H.264 and AAC where the platform has them: what every player takes, and what need not be encoded anew.
FOR_MP4 = ("vcodec:h264", "lang", "quality", "{res}", "fps", "acodec:aac")

REFUSALS = {
    "too_long": "The video is too long.",
    "live": Failure.LIVE,
    "playlist": "The address is that of several videos: give that of a single one.",
    "nothing": Failure.UNSUPPORTED,
}
STOPPED = {
    Reason.TIME: "The download took too long.",
    Reason.MEMORY: "The page of the video is too large to read.",
    Reason.FILE_SIZE: Failure.TOO_LARGE,
}


class Form(StrEnum):
    """What is wanted: a film for every player, its sound alone, or what the platform's best is."""

    MP4 = "mp4"
    MP3 = "mp3"
    BEST = "best"


@dataclass(frozen=True, slots=True)
class Want:
    """What to choose of what a platform has: the form, the picture's lesser side at most, and whether to have one."""

    form: Form
    height: int | None = None
    only_sound: bool = False

    @property
    def selector(self) -> str:
        """In yt-dlp's language: the best of each, or what has both where they do not come apart."""
        return "ba/b" if self.only_sound else "bv*+ba/b"

    @property
    def order(self) -> list[str]:
        """By what yt-dlp is to sort what there is, before its own ways."""
        res = f"res:{self.height}" if self.height else "res"
        return [key.format(res=res) for key in FOR_MP4] if self.form is Form.MP4 else [res]


@dataclass(frozen=True, slots=True)
class Download:
    """What came: a file with everything, or one for the picture and one for the sound."""

    parts: tuple[Path, ...]
    title: str


async def download(
    url: str,
    want: Want,
    *,
    folder: Path,
    platforms: Iterable[Platform],
    guard: Guard,
    limit_bytes: int,
    limit_s: float,
    time_limit_s: float,
    on_progress: OnProgress,
) -> Download:
    """Download the one video at an address of these platforms into `folder`, which must be empty.

    It is stopped as soon as it is clear that it takes more than `limit_bytes` or lasts longer than `limit_s` seconds.
    Raises FileTooLarge, FetchFailed, FetchRefused and UnsupportedMedia, whose messages are safe for the client.
    """
    listener = Listener(on_progress)
    async with guarded_proxy(guard, limit_bytes=limit_bytes + BESIDE_BYTES) as proxy:
        order: Order = {
            "url": url,
            "extractors": [name for platform in platforms for name in platform.extractors],
            "format": want.selector,
            "sort": want.order,
            "proxy": proxy.url,
            "limit_bytes": limit_bytes,
            "limit_s": limit_s,
        }
        limits = Limits(
            time_s=time_limit_s, memory_bytes=MEMORY_BYTES, file_bytes=limit_bytes + SLACK_BYTES, port=proxy.port
        )
        # Not as an argument: whoever is on the machine reads those, and an address may be as good as a key.
        (folder / ORDER).write_text(json.dumps(order))
        try:
            await run(python("app.media.ytdlp_child", ORDER), work_dir=folder, limits=limits, on_line=listener.take)
        except ProcessFailed as failure:
            raise _stopped(failure) from failure
    title = _title(listener.last, proxy)
    return Download(tuple(sorted(folder.glob("part.*"))), title)  # noqa: ASYNC240


class Listener:
    """Hears what the child says, line by line."""

    def __init__(self, on_progress: OnProgress) -> None:
        self.last: Told = {}
        self._on_progress = on_progress

    def take(self, line: str) -> None:
        """Take one line."""
        self.last = json.loads(line)
        if "percent" in self.last:
            self._on_progress(self.last["percent"])


def _title(told: "Told", proxy: Proxy) -> str:
    """The title of what was downloaded, or the reason why nothing was, as an error."""
    if "title" in told:
        return told["title"]
    if proxy.refused is not None:
        raise proxy.refused
    if told.get("refused") == "too_large" or proxy.is_spent:
        raise FileTooLarge(Failure.TOO_LARGE)
    if "refused" in told:
        raise UnsupportedMedia(REFUSALS[told["refused"]])
    words = told.get("failed", "")
    log.info("download.failed", words=ADDRESS.sub("(an address)", words))
    raise _sorted(sort_failure(words))


def _sorted(failure: Failure) -> MediaError:
    if failure is Failure.TOO_LARGE:
        return FileTooLarge(failure)
    return UnsupportedMedia(failure) if failure is Failure.UNSUPPORTED else FetchFailed(failure)


def _stopped(failure: ProcessFailed) -> MediaError:
    words = STOPPED.get(failure.reason, Failure.UNREACHABLE)
    return FileTooLarge(words) if failure.reason is Reason.FILE_SIZE else FetchFailed(words)

"""Downloads one video with yt-dlp in the jail, and tells how it went, a line of JSON at a time. Run by app.media.ytdlp.

yt-dlp runs as a library, so that no configuration file, plugin or option of the command line is ever read. It has no
FFmpeg: what it downloads is a stranger's file, which is put together elsewhere, without a network.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypedDict

from deno import find_deno_bin
from yt_dlp import YoutubeDL
from yt_dlp.globals import plugin_dirs
from yt_dlp.utils import DownloadCancelled

PART = "part"
TITLE_LENGTH = 500
WORDS_LENGTH = 2_000
TRIES = 3
SILENCE_S = 20
NO_FFMPEG = "/nonexistent/ffmpeg"

Refusal = Literal["too_large", "too_long", "live", "playlist", "nothing"]


class Order(TypedDict):
    """What to download, by which extractors, through which proxy, and up to what."""

    url: str
    extractors: list[str]
    format: str
    sort: list[str]
    proxy: str
    limit_bytes: int
    limit_s: float


class Told(TypedDict, total=False):
    """One line: how far it is in percent, or at the end what was downloaded, or why nothing was."""

    percent: int
    title: str
    refused: Refusal
    failed: str


class Watch:
    """Looks at what is found and at what comes in, and stops the download where it is not what was ordered.

    It stops by DownloadCancelled, of which yt-dlp may raise another one in its place: the reason is kept in `refusal`.
    """

    def __init__(self, order: Order) -> None:
        self.refusal: Refusal = "nothing"
        self._order = order
        self._parts: dict[str, int] = {}
        self._count = 1
        self._told = -1

    def look(self, info: Mapping[str, Any], *, incomplete: bool) -> None:
        """See what was found, before any of it is downloaded."""
        if (info.get("n_entries") or 1) > 1:
            raise self._stopped("playlist")
        if info.get("is_live") or info.get("live_status") in ("is_live", "is_upcoming", "post_live"):
            raise self._stopped("live")
        if (info.get("duration") or 0) > self._order["limit_s"]:
            raise self._stopped("too_long")
        if not incomplete:
            formats = info.get("requested_formats") or [info]
            self._count = len(formats)
            if sum(one.get("filesize") or 0 for one in formats) > self._order["limit_bytes"]:
                raise self._stopped("too_large")

    def see(self, progress: Mapping[str, Any]) -> None:
        """See what came in, and what the server says is still to come."""
        done = progress.get("downloaded_bytes") or 0
        total = progress.get("total_bytes") or 0
        self._parts[progress.get("filename") or ""] = max(done, total)
        on_disk = sum(file.stat().st_size for file in Path().iterdir())
        if max(on_disk, sum(self._parts.values())) > self._order["limit_bytes"]:
            raise self._stopped("too_large")
        whole = total or progress.get("total_bytes_estimate") or 0
        if whole:
            ended = len(self._parts) - 1
            percent = int(100 * (ended + min(1.0, done / whole)) / max(self._count, len(self._parts)))
            if percent > self._told:
                self._told = percent
                tell(percent=percent)

    def _stopped(self, why: Refusal) -> DownloadCancelled:
        self.refusal = why
        return DownloadCancelled(why)


class Ear:
    """A logger that keeps what went wrong: yt-dlp goes on after an error, as it must where it cannot merge."""

    def __init__(self) -> None:
        self.errors: list[str] = []

    def debug(self, message: str) -> None:
        """Nobody reads it."""

    warning = debug

    def error(self, message: str) -> None:
        """Keep it, unless it is an empty line."""
        if message.strip():
            self.errors.append(message)


def options(order: Order, watch: Watch, ear: Ear) -> dict[str, Any]:
    """How yt-dlp is to work. What is not here has its default, which reads no cookies, no netrc and no local files."""
    return {
        "allowed_extractors": order["extractors"],
        "format": order["format"],
        "format_sort": order["sort"],
        "proxy": order["proxy"],
        "outtmpl": f"{PART}.%(ext)s",
        "match_filter": watch.look,
        "progress_hooks": [watch.see],
        "noplaylist": True,
        "playlist_items": "1:2",  # enough to see that it is one
        "logger": ear,
        "ignoreerrors": True,
        "quiet": True,
        "noprogress": True,
        "cachedir": False,
        "nopart": True,
        "continuedl": False,
        "updatetime": False,
        "fixup": "never",
        "ffmpeg_location": NO_FFMPEG,
        "external_downloader": {"default": "native"},
        "skip_unavailable_fragments": False,
        "retries": TRIES,
        "fragment_retries": TRIES,
        "extractor_retries": TRIES,
        "socket_timeout": SILENCE_S,
        "geo_bypass": False,
        "js_runtimes": {"deno": {"path": find_deno_bin()}},  # what YouTube's riddles are solved with, without a network
        "remote_components": [],
    }


def download(order: Order) -> Told:
    """Download into the working folder. Answers the title, or why there is nothing."""
    plugin_dirs.value = []
    watch, ear = Watch(order), Ear()
    try:
        with YoutubeDL(options(order, watch, ear)) as ydl:
            found = ydl.extract_info(order["url"])
    except DownloadCancelled:
        return {"refused": watch.refusal}
    if ear.errors:
        return {"failed": ear.errors[0][:WORDS_LENGTH]}
    if found and found.get("entries") is not None:
        found = next(iter(found["entries"]), None)
    if not found or not any(Path().glob(f"{PART}.*")):
        return {"refused": "nothing"}
    return {"title": str(found.get("title") or "")[:TITLE_LENGTH]}


def take_order(file: Path) -> Order:
    """What is to be done, out of a file that is gone then: nothing but parts may lie in the folder."""
    order: Order = json.loads(file.read_text())
    file.unlink()
    return order


def tell(**news: Any) -> None:
    """Say one thing to whoever started us."""
    sys.stdout.write(json.dumps(news) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    tell(**download(take_order(Path(sys.argv[1]))))

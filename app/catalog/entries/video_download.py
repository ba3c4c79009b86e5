"""A video from a platform, downloaded here with yt-dlp (contract 4.2)."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from app.catalog.model import (
    MIB,
    Credits,
    Example,
    Listing,
    LocalWork,
    Made,
    MediaUrl,
    Rates,
    Service,
    ServiceRequest,
    Work,
    first_file,
    value,
)
from app.catalog.vocabulary import Vocabulary
from app.config import Settings
from app.errors import FetchRefused, FileTooLarge, InsufficientCredits, Invalid
from app.media.assemble import assemble
from app.media.fetch import check_url
from app.media.formats import Kinds
from app.media.guard import Guard
from app.media.platforms import PLATFORMS, find_platform
from app.media.ytdlp import Form, Want, download

BLOCK_BYTES = 10 * MIB
LIMIT_BYTES = 1024 * MIB
LIMIT_S = 6 * 3_600.0
TIME_LIMIT_S = 3_600.0
# Of the way; the rest is putting it together.
DOWNLOADED = 0.9
HEIGHTS = {"720p": 720, "480p": 480, "360p": 360}


class VideoDownloadRequest(ServiceRequest):
    """The address of one video, and in which form it is wanted."""

    url: Annotated[MediaUrl, Field(description="The page of one video on a supported platform")]
    format: Annotated[
        Literal["mp4", "mp3", "best"], Field(description="best: as the platform has it, MP4, WebM or MKV")
    ] = "mp4"
    quality: Literal["best", "720p", "480p", "360p", "audio"] = "best"


def price(request: VideoDownloadRequest, rates: Rates) -> Credits:
    """The first block, whatever comes."""
    return rates["block"]


def further_price(size: int, rates: Rates) -> Credits:
    """What a file of so many bytes costs beyond the first block: each one that is begun counts whole."""
    blocks = -(-size // BLOCK_BYTES)
    return rates["block"] * max(0, blocks - 1)


def payable_bytes(affordable: Credits, rates: Rates) -> int:
    """How large a file may be: the service's limit, or what the first block and the affordable credits pay for."""
    if further_price(LIMIT_BYTES, rates) <= affordable:
        return LIMIT_BYTES
    return BLOCK_BYTES * (1 + int(affordable // rates["block"]))


def check(request: VideoDownloadRequest, settings: Settings) -> None:
    """Refuse an address of no platform that is allowed here."""
    try:
        check_url(request.url, Guard(settings.fetch_allow))
    except FetchRefused as refusal:
        raise _refused(str(refusal), "url_refused") from refusal
    if find_platform(request.url, settings.download_from) is None:
        raise _refused(f"{urlsplit(request.url).hostname} is no platform that we download from", "url_not_supported")


def _refused(problem: str, type_: str) -> Invalid:
    return Invalid(f"url: {problem}", fields=[{"loc": ("body", "url"), "msg": problem, "type": type_}])


def platforms(settings: Settings) -> dict[str, object]:
    """What is allowed here."""
    allowed = [PLATFORMS[name] for name in settings.download_from]
    return {
        "success": True,
        "platforms": [{"name": platform.name, "domains": list(platform.domains)} for platform in allowed],
    }


async def make(work: Work) -> Made:
    """Download it, put it together, and say what it costs."""
    request: VideoDownloadRequest = work.request
    limit = payable_bytes(work.affordable, work.rates)
    try:
        return await _make(work, request, limit)
    except FileTooLarge as refusal:
        if limit == LIMIT_BYTES:
            raise
        needed = further_price(limit + 1, work.rates)
        raise InsufficientCredits(needed, work.affordable, work.affordable) from refusal


async def _make(work: Work, request: VideoDownloadRequest, limit: int) -> Made:
    want = Want(
        Form(request.format), height=HEIGHTS.get(request.quality),
        only_sound=request.format == "mp3" or request.quality == "audio",
    )
    folder = work.folder / "parts"
    folder.mkdir()
    found = await download(
        request.url, want, folder=folder, platforms=[PLATFORMS[name] for name in work.settings.download_from],
        guard=Guard(work.settings.fetch_allow), limit_bytes=limit, limit_s=LIMIT_S, time_limit_s=TIME_LIMIT_S,
        on_progress=lambda percent: work.progress(percent * DOWNLOADED),
    )
    whole = await assemble(
        found.parts, want, on_progress=lambda percent: work.progress(100 * DOWNLOADED + percent * (1 - DOWNLOADED))
    )
    size = whole.path.stat().st_size
    if size > limit:
        raise FileTooLarge("The file that was made of the download is larger than what is allowed.")
    return Made(
        files=(whole.path,),
        values={"title": found.title, "file_size": size, "duration": round(whole.seconds, 3)},
        further_credits=further_price(size, work.rates),
    )


SERVICE = Service(
    id="video-download",
    title="Video download",
    summary="A video or its sound from YouTube, TikTok and the like.",
    group="video",
    request=VideoDownloadRequest,
    rates={"block": "0.5"},
    price=price,
    priced="For each started block of 10 MB (10,485,760 bytes): the first debited at create, the others at completion.",
    run=LocalWork(make, time_limit_s=2 * TIME_LIMIT_S),
    vocabulary=Vocabulary.LOWER,
    results=(
        first_file("download_url"),
        value("title", example="Making kites"),
        value("file_size", {"type": ["integer", "null"]}, example=8_231_004),
        value("duration", {"type": ["number", "null"]}, example=61.4),
    ),
    result_kinds=Kinds.VIDEO | Kinds.AUDIO,
    check=check,
    listings=(
        Listing(
            "supported-platforms", "The platforms that videos are downloaded from", body=platforms,
            fields={"name": {"type": "string"}, "domains": {"type": "array", "items": {"type": "string"}}},
        ),
    ),
    usual_s=30,
    deadline_s=3 * TIME_LIMIT_S,
    result_limit_bytes=LIMIT_BYTES,
    examples=(
        Example({"url": "https://www.youtube.com/watch?v=dQw4w9WgXcQ"}, credits="0.5"),
        Example({"url": "https://soundcloud.com/ethmusic/lostin-powers-she-so-heavy", "format": "mp3"}, credits="0.5"),
        Example({"url": "https://vimeo.com/56015672", "quality": "720p"}, credits="0.5"),
    ),
)

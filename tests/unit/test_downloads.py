"""Video downloads without a network: who may be asked, what a failure means, what it costs."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from yt_dlp.extractor import gen_extractor_classes
from yt_dlp.version import __version__ as yt_dlp_version

from app.catalog.entries.video_download import LIMIT_BYTES, further_price, payable_bytes
from app.catalog.model import MIB
from app.config import DownloadFrom, Settings
from app.media.platforms import PLATFORMS, find_platform
from app.media.ytdlp_failures import Failure, sort_failure

LOCK = Path(__file__).parents[2] / "deploy/requirements/runtime.txt"
OLD_AFTER_DAYS = 60
EXTRACTORS = {one.IE_NAME.lower(): one for one in gen_extractor_classes()}
DEFAULT = tuple(site for site in DownloadFrom if site is not DownloadFrom.ANYWHERE)
RATES = {"block": Decimal("0.5")}


def test_yt_dlp_is_young() -> None:
    """Platforms change every week. When this fails: `deploy/lock.sh --upgrade`, and run the suite."""
    pinned = re.search(r"^yt-dlp==([\d.]+)", LOCK.read_text(), re.MULTILINE)
    assert pinned
    for version in (pinned[1], yt_dlp_version):
        year, month, day, *_ = map(int, version.split("."))
        age = datetime.now(UTC).date() - date(year, month, day)
        assert age.days <= OLD_AFTER_DAYS, version


def test_yt_dlp_has_every_extractor_that_is_allowed() -> None:
    named = {name for platform in PLATFORMS.values() for name in platform.extractors}

    assert named - EXTRACTORS.keys() == set()


@pytest.mark.parametrize(
    "url",
    [
        "https://www.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://m.youtube.com/watch?v=dQw4w9WgXcQ&list=PLx",
        "https://www.youtube.com/shorts/dQw4w9WgXcQ",
        "https://music.youtube.com/watch?v=dQw4w9WgXcQ",
        "https://youtu.be/dQw4w9WgXcQ",
        "https://www.tiktok.com/@leenabhushan/video/6748451240264420610",
        "https://vt.tiktok.com/ZSe4FqkKd",
        "https://www.facebook.com/watch/?v=647537299265662",
        "https://www.facebook.com/reel/1195289147628387",
        "https://www.instagram.com/reel/Chunk8-jurw/",
        "https://x.com/somebody/status/643211948184596480",
        "https://twitter.com/somebody/status/643211948184596480",
        "https://vimeo.com/56015672",
        "https://player.vimeo.com/video/54469442",
        "https://www.dailymotion.com/video/x5kesuj",
        "https://dai.ly/x94cnnk",
        "https://clips.twitch.tv/FaintLightGullWholeWheat",
        "https://www.twitch.tv/videos/6528877",
        "https://soundcloud.com/ethmusic/lostin-powers-she-so-heavy",
        "https://www.bilibili.com/video/BV13x41117TL",
        "https://www.bilibili.tv/en/video/2041863208",
        "https://www.reddit.com/r/videos/comments/6rrwyj/that_small_heart_attack/",
        "https://www.pinterest.com/pin/664281013778109217/",
    ],
)
def test_a_video_of_a_platform_has_an_extractor_that_is_allowed(url: str) -> None:
    platform = find_platform(url, DEFAULT)

    assert platform is not None
    assert any(EXTRACTORS[name].suitable(url) for name in platform.extractors)


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com/film.mp4",
        "https://youtube.com.example.org/watch?v=dQw4w9WgXcQ",
        "https://notyoutube.com/watch?v=dQw4w9WgXcQ",
        "https://example.org/?u=youtube.com",
        "https://youtube.com@example.org/watch?v=dQw4w9WgXcQ",
        "http://127.0.0.1/watch?v=dQw4w9WgXcQ",
    ],
)
def test_what_only_looks_like_a_platform_is_none(url: str) -> None:
    assert find_platform(url, DEFAULT) is None
    assert find_platform(url, [DownloadFrom.ANYWHERE]) is not None


def test_the_defaults_do_not_allow_every_site() -> None:
    assert Settings.model_fields["download_from"].default == DEFAULT


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ("ERROR: [youtube] x: Private video. Sign in if you've been granted access to this video", Failure.PRIVATE),
        ("ERROR: [vimeo] 1: This video is private and cannot be played", Failure.PRIVATE),
        ("ERROR: [youtube] x: Sign in to confirm your age. This video may be inappropriate", Failure.LOGIN),
        ("ERROR: [youtube] x: Sign in to confirm you're not a bot. Use --cookies-from-browser", Failure.BLOCKED),
        ("ERROR: [youtube] x: Join this channel to get access to members-only content", Failure.LOGIN),
        ("ERROR: [Instagram] x: Requested content is not available, rate-limit reached or login required",
         Failure.BLOCKED),
        ("ERROR: [facebook] 1: This video is only available for registered users. Use --cookies", Failure.LOGIN),
        ("ERROR: [twitter] 1: NSFW tweet requires authentication. Use --cookies", Failure.LOGIN),
        ("ERROR: [youtube] x: Video unavailable. This video has been removed by the uploader", Failure.REMOVED),
        ("ERROR: [youtube] x: Video unavailable", Failure.REMOVED),
        ("ERROR: [vimeo] 1: Unable to download webpage: HTTP Error 404: Not Found", Failure.REMOVED),
        ("ERROR: [TikTok] 1: Video not available, status code 10204", Failure.REMOVED),
        ("ERROR: [twitter] 1: User has been suspended", Failure.REMOVED),
        ("ERROR: [youtube] x: This live event will begin in 3 hours.", Failure.LIVE),
        ("ERROR: [youtube] x: Premieres in 2 days", Failure.LIVE),
        ("ERROR: [twitch:stream] x: The channel is not currently live", Failure.LIVE),
        ("ERROR: [dailymotion] x: This video is not available from your location due to geo restriction", Failure.GEO),
        ("ERROR: [youtube] x: The uploader has not made this video available in your country", Failure.GEO),
        ("ERROR: [vimeo] x: This video is DRM protected", Failure.DRM),
        ("ERROR: Unsupported URL: https://vimeo.com/about", Failure.UNSUPPORTED),
        ("ERROR: No suitable extractor found for URL https://www.youtube.com/about", Failure.UNSUPPORTED),
        ("ERROR: [twitter] 1: No video could be found in this tweet", Failure.UNSUPPORTED),
        ("ERROR: unable to write data: [Errno 27] File too large", Failure.TOO_LARGE),
        ("ERROR: [vimeo] 1: HTTP Error 429: Too Many Requests", Failure.BLOCKED),
        ("ERROR: [youtube] x: Unable to download webpage: HTTP Error 500", Failure.UNREACHABLE),
        ("", Failure.UNREACHABLE),
    ],
)
def test_what_yt_dlp_says_is_told_in_our_words(words: str, failure: Failure) -> None:
    assert sort_failure(words) is failure


@pytest.mark.parametrize(
    ("size", "credits"),
    [(1, "0"), (10_485_760, "0"), (10_485_761, "0.5"), (20_971_520, "0.5"), (20_971_521, "1"), (LIMIT_BYTES, "51")],
)
def test_each_block_that_is_begun_beyond_the_first_costs_as_much(size: int, credits: str) -> None:
    assert further_price(size, RATES) == Decimal(credits)


@pytest.mark.parametrize(
    ("affordable", "size"),
    [("0", 10 * MIB), ("0.499999999", 10 * MIB), ("0.5", 20 * MIB), ("1.2", 30 * MIB), ("50.9", 1020 * MIB),
     ("51", LIMIT_BYTES), ("9999", LIMIT_BYTES)],
)
def test_what_can_be_paid_bounds_the_download(affordable: str, size: int) -> None:
    assert payable_bytes(Decimal(affordable), RATES) == size
    assert further_price(size, RATES) <= Decimal(affordable)


def test_a_free_download_is_bounded_by_the_service_alone() -> None:
    assert payable_bytes(Decimal(0), {"block": Decimal(0)}) == LIMIT_BYTES

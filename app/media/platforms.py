"""The sites that videos are downloaded from: what they are called, where they live, and which of yt-dlp's extractors
may read them. An extractor that is not named here is never loaded.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.config import DownloadFrom


@dataclass(frozen=True, slots=True)
class Platform:
    """One site: addresses at these domains and below them are its. One without domains stands for every site."""

    name: str
    domains: tuple[str, ...]
    extractors: tuple[str, ...]

    def has(self, host: str) -> bool:
        """Whether the host is the platform's."""
        return not self.domains or any(host == domain or host.endswith(f".{domain}") for domain in self.domains)


PLATFORMS = {
    DownloadFrom.YOUTUBE: Platform(
        "YouTube", ("youtube.com", "youtu.be", "youtube-nocookie.com"),
        ("youtube", "youtube:tab", "youtube:clip", "youtube:consent", "youtubeytbe"),
    ),
    DownloadFrom.TIKTOK: Platform("TikTok", ("tiktok.com",), ("tiktok", "vm.tiktok")),
    DownloadFrom.FACEBOOK: Platform(
        "Facebook", ("facebook.com",),
        ("facebook", "facebook:reel", "facebookpluginsvideo", "facebookredirecturl"),
    ),
    DownloadFrom.INSTAGRAM: Platform("Instagram", ("instagram.com",), ("instagram",)),
    DownloadFrom.X: Platform(
        "X", ("x.com", "twitter.com", "t.co"), ("twitter", "twitter:shortener", "twitter:amplify", "twitter:card")
    ),
    DownloadFrom.VIMEO: Platform("Vimeo", ("vimeo.com",), ("vimeo", "vimeo:event", "vimeo:review")),
    DownloadFrom.DAILYMOTION: Platform("Dailymotion", ("dailymotion.com", "dai.ly"), ("dailymotion",)),
    DownloadFrom.TWITCH: Platform("Twitch", ("twitch.tv",), ("twitch:clips", "twitch:vod")),
    DownloadFrom.SOUNDCLOUD: Platform("SoundCloud", ("soundcloud.com",), ("soundcloud", "soundcloudembed")),
    DownloadFrom.BILIBILI: Platform(
        "Bilibili", ("bilibili.com", "bilibili.tv"), ("bilibili", "bilibiliplayer", "biliintl")
    ),
    DownloadFrom.REDDIT: Platform("Reddit", ("reddit.com", "redditmedia.com"), ("reddit",)),
    DownloadFrom.PINTEREST: Platform("Pinterest", ("pinterest.com",), ("pinterest",)),
    DownloadFrom.ANYWHERE: Platform("Any site", (), ("generic", "html5")),
}


def find_platform(url: str, allowed: Iterable[DownloadFrom]) -> Platform | None:
    """The allowed platform at which the address is, if there is one."""
    host = (urlsplit(url).hostname or "").rstrip(".")
    return next((PLATFORMS[name] for name in allowed if PLATFORMS[name].has(host)), None)

"""What yt-dlp says when it cannot download, and what a client is told of it.

Its words are the only sign: they come from a hundred extractors and mix the platform's own words with hints for the
command line, so the client gets a sentence of ours. The first line that fits counts.
"""

import re
from enum import StrEnum


class Failure(StrEnum):
    """Why a platform does not give a video. The value is for the client."""

    TOO_LARGE = "The download is larger than what is allowed."
    GEO = "The video is not available in the country of this server."
    DRM = "The video is protected against copies (DRM)."
    PRIVATE = "The video is private."
    BLOCKED = "The platform refuses to serve this server at the moment."
    LOGIN = "The platform shows the video only to people who have signed in."
    LIVE = "The video is a live stream, or one that has not begun: it can be downloaded when it has ended."
    REMOVED = "The video does not exist (any more)."
    UNSUPPORTED = "The address is none of a video that we can download."
    UNREACHABLE = "The platform did not answer as it should."


SIGNS = (
    (Failure.TOO_LARGE, r"\[Errno 27\]|file too large"),
    (Failure.GEO, r"geo.?restrict|your (country|location|region)|available in your|blocked it in your"),
    (Failure.DRM, r"\bDRM\b"),
    (Failure.BLOCKED, r"not a bot|HTTP Error 429|too many requests|rate.?limit|captcha|IP address is blocked"),
    (Failure.PRIVATE, r"\bprivate\b|protected tweet|available to (friends|followers)|permission to (view|access)"),
    (Failure.LOGIN, r"log.?in (is )?required|logged.?in|log in|sign(ing)? in|registered users|authenticat"),
    (Failure.LOGIN, r"--cookies|--username|members.only|subscriber|premium|purchase|password|age.?restrict|NSFW"),
    (Failure.LIVE, r"live event|livestream|not (currently )?live|is offline|premieres? in|will begin in|upcoming"),
    (Failure.REMOVED, r"removed|deleted|taken down|no longer|does not exist|doesn't exist|not found|unavailable"),
    (Failure.UNSUPPORTED, r"unsupported url|no suitable extractor|no video|no media|not a valid url|only images"),
    (Failure.UNSUPPORTED, r"requested format is not available|is not a video"),
    (Failure.REMOVED, r"not available|terminated|suspended|HTTP Error (404|410)"),
)


def sort_failure(words: str) -> Failure:
    """The failure that these words of yt-dlp mean; UNREACHABLE for words that we do not know."""
    return next((what for what, sign in SIGNS if re.search(sign, words, re.IGNORECASE)), Failure.UNREACHABLE)

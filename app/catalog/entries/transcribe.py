"""Words from sound, by a Whisper host (contract 4.3)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from app.catalog.model import (
    MEDIA_STATUS,
    Costs,
    Credits,
    Example,
    Input,
    LocalWork,
    Made,
    MediaUrl,
    Metered,
    Rates,
    Service,
    ServiceRequest,
    Work,
    listed,
    rounded,
    value,
)
from app.catalog.vocabulary import Vocabulary
from app.errors import UnsupportedMedia
from app.media.formats import Kinds
from app.media.hearing import extract_speech
from app.media.probe import MediaInfo
from app.media.transcript import clean

RATES = {"per_minute": "0.17", "minimum": "0.07"}
# Together's list, in US dollars (whisper-and-thai-subtitles.md 3).
COSTS = {"per_minute": "0.0015"}


class TranscribeRequest(ServiceRequest):
    """A film or a sound to be written down."""

    media_url: MediaUrl
    language: Literal["en", "th", "ja", "zh-CN", "ko"] | None = None


def minimum(request: ServiceRequest, rates: Rates) -> Credits:
    """What the shortest costs."""
    return rates["minimum"]


def by_minutes(request: ServiceRequest, rates: Rates, seconds: Decimal) -> Credits:
    """The rate for each minute, to two places, and never less than the minimum (contract 4.1)."""
    return max(rates["minimum"], rounded(rates["per_minute"] * seconds / 60, 2))


def cost_of_hearing(counted: Mapping[str, Any], costs: Costs) -> Decimal | None:
    """What the host takes for the seconds that it says it heard; None where it names none."""
    seconds, per_minute = counted.get("duration"), costs.get("per_minute")
    return None if seconds is None or per_minute is None else Decimal(str(seconds)) * per_minute / 60


def require_sound(media: MediaInfo) -> None:
    """Raise UnsupportedMedia for a film without sound."""
    if not media.has_audio:
        raise UnsupportedMedia("media_url: the file has no sound")


async def listen(work: Work, *, language: str | None) -> dict[str, Any]:
    """What the recogniser hears in the input `media_url`."""
    (media,) = work.inputs["media_url"]
    assert media.path is not None
    audio = work.folder / "speech.mp3"
    await extract_speech(media.path, audio, duration_s=media.media.duration_s or 1.0)
    work.progress(20)
    # Hosts know Chinese as one language; without a word of ours Together would hear English.
    ask = {"language": (language or "auto").split("-")[0]}
    answer = await work.calls.once("transcript", "whisper", ask, files={"audio": audio})
    return dict(answer.output)


async def transcribe(work: Work) -> Made:
    """The text, its segments and their times."""
    request: TranscribeRequest = work.request
    heard = await listen(work, language=request.language)
    segments = [
        {"start": segment["start"], "end": segment["end"], "text": clean(segment["text"])}
        for segment in heard["segments"]
    ]
    (media,) = work.inputs["media_url"]
    return Made(values={
        "text": clean(heard["text"]), "segments": segments, "language": heard["language"] or request.language,
        "duration": media.media.duration_s,
    })


SEGMENTS = {
    "type": ["array", "null"],
    "items": {
        "type": "object",
        "properties": {"start": {"type": "number"}, "end": {"type": "number"}, "text": {"type": "string"}},
    },
}

SERVICE = Service(
    id="transcribe",
    title="Transcribe",
    summary="The words of a film or a sound, with times.",
    group="media",
    request=TranscribeRequest,
    create_path="/media/transcribe",
    status_path=MEDIA_STATUS,
    inputs=(Input("media_url", Kinds.AUDIO | Kinds.VIDEO, check=require_sound),),
    metered=Metered("media_url", by_minutes),
    rates=RATES,
    costs=listed(COSTS),
    price=minimum,
    priced="For each minute of the file, rounded to two places, and never less than the minimum; debited at create.",
    run=LocalWork(transcribe, time_limit_s=1_800, needs="whisper", call_cost=cost_of_hearing),
    vocabulary=Vocabulary.LOWER,
    results=(
        value("text", example="Good morning."),
        value("segments", SEGMENTS, example=[{"start": 0.0, "end": 1.2, "text": "Good morning."}]),
        value("language", example="en"),
        value("duration", {"type": ["number", "null"]}, example=1.4),
    ),
    result_kinds=Kinds.AUDIO,
    usual_s=20,
    deadline_s=3_600,
    examples=(Example({"media_url": "https://example.com/interview.mp3", "language": "th"}, credits="0.07"),),
)

"""Sounds joined or mixed, made here with FFmpeg (contract 4.3)."""

from typing import Literal

from pydantic import Field

from app.catalog.model import (
    MEDIA_STATUS,
    Example,
    Input,
    LocalWork,
    Made,
    MediaUrl,
    Service,
    ServiceRequest,
    Work,
    first_file,
    flat_price,
)
from app.catalog.vocabulary import Vocabulary
from app.media.formats import Kinds
from app.media.join import join_sounds


class MergeAudioRequest(ServiceRequest):
    """Sounds, to follow one another or to be heard at once."""

    audio_urls: list[MediaUrl] = Field(min_length=2, max_length=20)
    mode: Literal["concat", "mix"] = "concat"


async def make(work: Work) -> Made:
    """Join or mix them."""
    request: MergeAudioRequest = work.request
    target = work.folder / "joined.mp3"
    await join_sounds(work.clips("audio_urls"), target, mix=request.mode == "mix", on_progress=work.progress)
    return Made(files=(target,))


SERVICE = Service(
    id="merge-audio",
    title="Merge audio",
    summary="Sounds one after the other, or mixed, as an MP3.",
    group="media",
    request=MergeAudioRequest,
    create_path="/media/merge-audio",
    status_path=MEDIA_STATUS,
    inputs=(Input("audio_urls", Kinds.AUDIO),),
    rates={"job": "0.5"},
    price=flat_price(),
    run=LocalWork(make, time_limit_s=3_600),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("audio_url"),),
    result_kinds=Kinds.AUDIO,
    usual_s=10,
    deadline_s=7_200,
    examples=(
        Example({"audio_urls": ["https://example.com/one.mp3", "https://example.com/two.wav"]}, credits="0.5"),
        Example({"audio_urls": ["https://example.com/one.mp3", "https://example.com/two.mp3"], "mode": "mix"},
                credits="0.5"),
    ),
)

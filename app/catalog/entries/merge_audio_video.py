"""A film with another sound, made here with FFmpeg (contract 4.3)."""

from typing import Annotated

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
from app.media.join import add_sound


class MergeAudioVideoRequest(ServiceRequest):
    """A film and a sound. The result is as long as the film."""

    video_url: MediaUrl
    audio_url: MediaUrl
    replace_audio: Annotated[bool, Field(description="false: mixed with the film's own sound")] = True
    audio_volume: Annotated[float, Field(ge=0, le=2)] = 1.0


async def make(work: Work) -> Made:
    """Put the sound under the film."""
    request: MergeAudioVideoRequest = work.request
    (film,), (sound,) = work.clips("video_url"), work.clips("audio_url")
    target = work.folder / "film.mp4"
    await add_sound(
        film, sound, target, replace=request.replace_audio, volume=request.audio_volume, on_progress=work.progress
    )
    return Made(files=(target,))


SERVICE = Service(
    id="merge-audio-video",
    title="Merge audio and video",
    summary="A film with another sound, or with one mixed in.",
    group="media",
    request=MergeAudioVideoRequest,
    create_path="/media/merge-audio-video",
    status_path=MEDIA_STATUS,
    inputs=(Input("video_url", Kinds.VIDEO), Input("audio_url", Kinds.AUDIO)),
    rates={"job": "0.5"},
    price=flat_price(),
    run=LocalWork(make, time_limit_s=3_600),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("video_url"),),
    result_kinds=Kinds.VIDEO,
    usual_s=10,
    deadline_s=7_200,
    examples=(
        Example({"video_url": "https://example.com/film.mp4", "audio_url": "https://example.com/voice.mp3"},
                credits="0.5"),
        Example({"video_url": "https://example.com/film.webm", "audio_url": "https://example.com/waltz.wav",
                 "replace_audio": False, "audio_volume": 0.4}, credits="0.5"),
    ),
)

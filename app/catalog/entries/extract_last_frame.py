"""The last picture of a film, made here with FFmpeg (contract 4.3)."""

from typing import Literal

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
from app.media.join import last_frame


class ExtractLastFrameRequest(ServiceRequest):
    """A film whose last picture is wanted, for instance to go on from it."""

    video_url: MediaUrl
    output_format: Literal["png", "jpg"] = "png"


async def make(work: Work) -> Made:
    """Find it."""
    request: ExtractLastFrameRequest = work.request
    (film,) = work.clips("video_url")
    target = work.folder / f"last.{request.output_format}"
    await last_frame(film, target)
    return Made(files=(target,))


SERVICE = Service(
    id="extract-last-frame",
    title="Extract last frame",
    summary="The last picture of a film.",
    group="media",
    request=ExtractLastFrameRequest,
    create_path="/media/extract-last-frame",
    status_path=MEDIA_STATUS,
    inputs=(Input("video_url", Kinds.VIDEO),),
    rates={"job": "0.5"},
    price=flat_price(),
    run=LocalWork(make, time_limit_s=600),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("image_url"),),
    result_kinds=Kinds.IMAGE,
    usual_s=5,
    deadline_s=3_600,
    examples=(
        Example({"video_url": "https://example.com/film.mp4"}, credits="0.5"),
        Example({"video_url": "https://example.com/film.mp4", "output_format": "jpg"}, credits="0.5"),
    ),
)

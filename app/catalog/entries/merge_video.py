"""Films joined one after the other, made here with FFmpeg (contract 4.3)."""

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
from app.media.join import join_films


class MergeVideoRequest(ServiceRequest):
    """Films in the order in which they are to follow."""

    video_urls: list[MediaUrl] = Field(min_length=2, max_length=20)
    transition: Literal["none", "fade"] = "none"


async def make(work: Work) -> Made:
    """Join them."""
    request: MergeVideoRequest = work.request
    target = work.folder / "joined.mp4"
    fades = request.transition == "fade"
    await join_films(work.clips("video_urls"), target, crossfade=fades, on_progress=work.progress)
    return Made(files=(target,))


SERVICE = Service(
    id="merge-video",
    title="Merge videos",
    summary="Films joined one after the other, with sound, in the first one's size.",
    group="media",
    request=MergeVideoRequest,
    create_path="/media/merge-video",
    status_path=MEDIA_STATUS,
    inputs=(Input("video_urls", Kinds.VIDEO),),
    rates={"job": "0.5"},
    price=flat_price(),
    run=LocalWork(make, time_limit_s=3_600),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("video_url"),),
    result_kinds=Kinds.VIDEO,
    usual_s=20,
    deadline_s=7_200,
    examples=(
        Example({"video_urls": ["https://example.com/one.mp4", "https://example.com/two.mp4"]}, credits="0.5"),
        Example({"video_urls": ["https://example.com/one.mp4", "https://example.com/two.webm"], "transition": "fade"},
                credits="0.5"),
    ),
)

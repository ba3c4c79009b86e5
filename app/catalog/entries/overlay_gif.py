"""An animation over a film, made here with FFmpeg (contract 4.3)."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

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
from app.errors import UnsupportedMedia
from app.media.formats import Kinds
from app.media.join import overlay


class OverlayGifRequest(ServiceRequest):
    """A film, an animation, and where and when it is to be seen."""

    video_url: MediaUrl
    gif_url: MediaUrl
    position: Literal["top_left", "top_right", "bottom_left", "bottom_right", "center"] = "bottom_right"
    scale: Annotated[float, Field(ge=0.05, le=1, description="Share of the film's width")] = 0.25
    start_time: Annotated[float | None, Field(ge=0, le=86_400, description="Seconds; null: from the beginning")] = None
    end_time: Annotated[float | None, Field(gt=0, le=86_400, description="Seconds; null: to the end")] = None

    @model_validator(mode="after")
    def _ends_after_it_starts(self) -> Self:
        if self.end_time is not None and self.end_time <= (self.start_time or 0):
            raise ValueError("end_time must be after start_time")
        return self


async def make(work: Work) -> Made:
    """Lay it over the film. Raises UnsupportedMedia for a start behind the film's end."""
    request: OverlayGifRequest = work.request
    (film,), (picture,) = work.clips("video_url"), work.clips("gif_url")
    start_s = request.start_time or 0.0
    if start_s >= film.seconds:
        raise UnsupportedMedia("start_time: the film is over by then")
    target = work.folder / "film.mp4"
    await overlay(
        film, picture, target, place=request.position, scale=request.scale, start_s=start_s, end_s=request.end_time,
        on_progress=work.progress,
    )
    return Made(files=(target,))


SERVICE = Service(
    id="overlay-gif",
    title="Overlay GIF",
    summary="An animation over a film, again and again.",
    group="media",
    request=OverlayGifRequest,
    create_path="/media/overlay-gif",
    status_path=MEDIA_STATUS,
    inputs=(
        Input("video_url", Kinds.VIDEO),
        Input("gif_url", Kinds.IMAGE, types=frozenset({"image/gif", "image/png", "image/jpeg"})),
    ),
    rates={"job": "0.5"},
    price=flat_price(),
    run=LocalWork(make, time_limit_s=3_600),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("video_url"),),
    result_kinds=Kinds.VIDEO,
    usual_s=15,
    deadline_s=7_200,
    examples=(
        Example({"video_url": "https://example.com/film.mp4", "gif_url": "https://example.com/confetti.gif"},
                credits="0.5"),
        Example({"video_url": "https://example.com/film.mp4", "gif_url": "https://example.com/confetti.gif",
                 "position": "center", "scale": 0.5, "start_time": 0.5, "end_time": 1.5}, credits="0.5"),
    ),
)

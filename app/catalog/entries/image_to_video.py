"""A still picture that moves: Ken Burns, made here with FFmpeg (contract 2.4)."""

from typing import Annotated, Literal

from pydantic import Field

from app.catalog.model import (
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
from app.media.kenburns import KenBurns, render

FORMATS = {"jpeg": "image/jpeg", "png": "image/png", "gif": "image/gif", "webp": "image/webp"}


class Zoom(ServiceRequest):
    """How the picture moves."""

    mode: Literal[
        "center", "top_left", "top_right", "bottom_left", "bottom_right",
        "pan_right", "pan_left", "pan_up", "pan_down", "none",
    ] = "center"
    speed: Annotated[float, Field(gt=0, le=0.1, description="Growth of the scale in each frame")] = 0.0015
    max_scale: Annotated[float, Field(ge=1.0, le=5.0)] = 1.5
    pan_speed: Annotated[float, Field(gt=0, le=10, description="1 crosses the spare width once")] = 1.0


class ImageToVideoRequest(ServiceRequest):
    """A clip from a picture."""

    image_url: MediaUrl
    music_url: MediaUrl | None = None
    duration: Annotated[int, Field(ge=1, le=60, description="Seconds")] = 5
    image_format: Literal["auto", "jpeg", "png", "gif", "webp"] = "auto"
    zoom: Annotated[Zoom | None, Field(description="Absent: no movement")] = None


async def make(work: Work) -> Made:
    """Render the clip. Raises UnsupportedMedia for a picture that is not of the format asked for."""
    request: ImageToVideoRequest = work.request
    (image,) = work.inputs["image_url"]
    expected = FORMATS.get(request.image_format)
    if expected is not None and image.media.content_type != expected:
        raise UnsupportedMedia(f"image_url: the picture is {image.media.content_type}, not {expected}")
    zoom = request.zoom
    spec = KenBurns(duration_s=request.duration) if zoom is None else KenBurns(
        duration_s=request.duration, mode=zoom.mode, speed=zoom.speed, max_scale=zoom.max_scale,
        pan_speed=zoom.pan_speed,
    )
    music = next((file.path for file in work.inputs.get("music_url", ())), None)
    output = work.folder / "clip.mp4"
    assert image.path is not None
    await render(image.path, output, spec, music=music, on_progress=work.progress)
    return Made(files=(output,))


SERVICE = Service(
    id="image-to-video",
    title="Image-to-Video",
    summary="A still picture that moves (Ken Burns), made on this server.",
    group="video",
    request=ImageToVideoRequest,
    inputs=(Input("image_url", Kinds.IMAGE), Input("music_url", Kinds.AUDIO)),
    rates={"job": "0.5"},
    price=flat_price(),
    run=LocalWork(make, time_limit_s=600),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("video_url"),),
    result_kinds=Kinds.VIDEO,
    usual_s=5,
    deadline_s=1_800,
    examples=(
        Example({"image_url": "https://example.com/harbour.jpg", "duration": 5, "zoom": {"mode": "center"}},
                credits="0.5"),
        Example({"image_url": "https://example.com/harbour.jpg", "music_url": "https://example.com/waltz.mp3",
                 "duration": 8, "zoom": {"mode": "pan_right", "max_scale": 1.3}}, credits="0.5"),
    ),
)

"""Films from a picture by Sora 2 through KIE (contract 2.5; upstreams/kie.md 2.5).

KIE has withdrawn the model: without another id in the settings, every job may be refused there, and refunded.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from app.catalog.model import (
    MIB,
    Example,
    Form,
    Input,
    Inputs,
    MediaUrl,
    NotBlank,
    Owned,
    Service,
    ServiceRequest,
    Takes,
    UpstreamTask,
    first_file,
    flat_price,
    listed,
    upstream_urls,
)
from app.catalog.rules import Rule
from app.catalog.vocabulary import Vocabulary
from app.media.cutting import cut_film
from app.media.formats import Kinds
from app.providers.port import Task

MODEL = "sora-2-image-to-video"
CharacterId = Annotated[str, Field(min_length=1, max_length=200)]


class Sora2VideoRequest(ServiceRequest):
    """A film that begins with a picture."""

    prompt: Annotated[str, Field(min_length=1, max_length=2_000, description="What happens"), NotBlank]
    image_urls: list[MediaUrl] = Field(min_length=1, max_length=5, description="The first frame")
    aspect_ratio: Literal["landscape", "portrait", "square"] = "landscape"
    n_frames: Annotated[
        Literal["5", "10", "15", "20"], Field(description="Seconds, whatever its name says")
    ] = "10"
    remove_watermark: bool = True
    character_id_list: Annotated[
        list[CharacterId] | None, Field(max_length=5, description="Own characters, from sora2-character")
    ] = None


# The model makes 10 or 15 seconds, landscape or portrait, from one picture. What can be cut out of that is: see `cut`.
RULES = (
    Rule(
        "image_urls",
        when=lambda request: len(request.image_urls) > 1,
        says="the model starts from one picture, so only the first is used",
        change=lambda request: {"image_urls": request.image_urls[:1]},
    ),
    Rule(
        "n_frames",
        when=lambda request: request.n_frames == "5",
        says="the model makes 10 seconds at least, so the film is cut to its first 5",
        change=lambda request: {"n_frames": "10"},
    ),
    Rule(
        "n_frames",
        when=lambda request: request.n_frames == "20",
        says="the model makes 15 seconds at most, so the film has 15",
        change=lambda request: {"n_frames": "15"},
    ),
    Rule(
        "aspect_ratio",
        when=lambda request: request.aspect_ratio == "square",
        says="the model makes no square films, so the middle of a landscape one is cut out",
        change=lambda request: {"aspect_ratio": "landscape"},
    ),
)


def to_task(request: Sora2VideoRequest, inputs: Inputs) -> Task:
    """What the rules have left, field by field."""
    body: dict[str, object] = {
        "prompt": request.prompt, "image_urls": upstream_urls(inputs, "image_urls"),
        "aspect_ratio": request.aspect_ratio, "n_frames": request.n_frames,
        "remove_watermark": request.remove_watermark,
    }
    if request.character_id_list:
        body["character_id_list"] = request.character_id_list
    return Task(MODEL, body)


async def cut(request: Sora2VideoRequest, files: Sequence[Path], folder: Path) -> Sequence[Path]:
    """Cut the film to the length and shape that were asked for, where the model does not make them."""
    seconds = 5 if request.n_frames == "5" else None
    is_square = request.aspect_ratio == "square"
    if seconds is None and not is_square:
        return files
    target = folder / "cut.mp4"
    await cut_film(files[0], target, seconds=seconds, is_square=is_square)
    return [target]


SERVICE = Service(
    id="sora2-video",
    title="Sora 2, image to video",
    summary="A film that begins with a picture, by Sora 2.",
    group="video",
    request=Sora2VideoRequest,
    rates={"job": "8.0"},
    # The dearest that was listed before the model was withdrawn: a stable film of 15 seconds.
    costs=listed({"job": "40"}),
    price=flat_price(),
    run=UpstreamTask("kie", Form(to_task, models=(MODEL,), rules=RULES)),
    inputs=(
        Input(
            "image_urls", Kinds.IMAGE,
            upstream=Takes(frozenset({"image/jpeg", "image/png", "image/webp"}), limit_bytes=10 * MIB),
        ),
    ),
    owned=Owned("character_id_list", service="sora2-character", value="character_id"),
    vocabulary=Vocabulary.LOWER_WITH_CANCEL,
    results=(first_file("video_url"),),
    result_kinds=Kinds.VIDEO,
    finish=cut,
    is_cancellable=True,
    has_callback=True,
    usual_s=120,
    deadline_s=3_600,
    examples=(
        Example(
            {"prompt": "The fox turns and runs", "image_urls": ["https://example.com/fox.png"]}, credits="8.0"
        ),
        Example(
            {
                "prompt": "The lanterns rise, the camera follows",
                "image_urls": ["https://example.com/lanterns.jpg"],
                "aspect_ratio": "square",
                "n_frames": "5",
                "remove_watermark": False,
            },
            credits="8.0",
        ),
    ),
)

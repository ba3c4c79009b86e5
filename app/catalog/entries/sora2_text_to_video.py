"""Films from words by Sora 2 through KIE (contract 2.6; upstreams/kie.md 2.4).

KIE has withdrawn the model: without another id in the settings, every job may be refused there, and refunded.
"""

from typing import Annotated, Literal

from pydantic import Field

from app.catalog.model import (
    Example,
    Form,
    Inputs,
    NotBlank,
    Service,
    ServiceRequest,
    UpstreamTask,
    first_file,
    flat_price,
    listed,
)
from app.catalog.vocabulary import Vocabulary
from app.media.formats import Kinds
from app.providers.port import Task

MODEL = "sora-2-text-to-video"


class Sora2TextToVideoRequest(ServiceRequest):
    """A film from words."""

    prompt: Annotated[str, Field(min_length=1, max_length=2_000, description="What happens"), NotBlank]
    aspect_ratio: Literal["landscape", "portrait"] = "landscape"
    n_frames: Annotated[Literal["10", "15"], Field(description="Seconds, whatever its name says")] = "10"
    remove_watermark: bool = True


def to_task(request: Sora2TextToVideoRequest, inputs: Inputs) -> Task:
    """The model takes the contract's fields as they are."""
    return Task(MODEL, {
        "prompt": request.prompt, "aspect_ratio": request.aspect_ratio, "n_frames": request.n_frames,
        "remove_watermark": request.remove_watermark,
    })


SERVICE = Service(
    id="sora2-text-to-video",
    title="Sora 2, text to video",
    summary="A film of 10 or 15 seconds from words, by Sora 2.",
    group="video",
    request=Sora2TextToVideoRequest,
    rates={"job": "8.0"},
    # The dearest that was listed before the model was withdrawn: a stable film of 15 seconds.
    costs=listed({"job": "40"}),
    price=flat_price(),
    run=UpstreamTask("kie", Form(to_task, models=(MODEL,))),
    vocabulary=Vocabulary.LOWER_WITH_CANCEL,
    results=(first_file("video_url"),),
    result_kinds=Kinds.VIDEO,
    is_cancellable=True,
    usual_s=120,
    deadline_s=3_600,
    examples=(
        Example({"prompt": "A paper boat sails down a flooded street at dawn"}, credits="8.0"),
        Example(
            {"prompt": "A drummer in the rain, slow motion", "aspect_ratio": "portrait", "n_frames": "15"},
            credits="8.0",
        ),
    ),
)

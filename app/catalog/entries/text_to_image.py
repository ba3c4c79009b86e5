"""Pictures by Z-Image through KIE (contract 2.1; upstreams/kie.md 2.1)."""

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


class TextToImageRequest(ServiceRequest):
    """A picture from words."""

    prompt: Annotated[str, Field(min_length=1, max_length=1_000, description="What to draw"), NotBlank]
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16"] = "1:1"


def to_task(request: TextToImageRequest, inputs: Inputs) -> Task:
    """Z-Image takes the contract's fields as they are."""
    return Task("z-image", {"prompt": request.prompt, "aspect_ratio": request.aspect_ratio})


SERVICE = Service(
    id="text-to-image",
    title="Text-to-Image",
    summary="A picture from words, by Z-Image.",
    group="image",
    verb="generate",
    request=TextToImageRequest,
    rates={"job": "1.0"},
    costs=listed({"job": "0.8"}),
    price=flat_price(),
    run=UpstreamTask("kie", Form(to_task, models=("z-image",))),
    vocabulary=Vocabulary.UPPER_WITH_QUEUE,
    results=(first_file("image_url"),),
    result_kinds=Kinds.IMAGE,
    has_history=True,
    usual_s=10,
    deadline_s=1_200,
    examples=(
        Example({"prompt": "A lighthouse at dusk, oil on canvas", "aspect_ratio": "16:9"}, credits="1.0"),
        Example({"prompt": "แมวส้มนั่งริมหน้าต่าง"}, credits="1.0"),
    ),
)

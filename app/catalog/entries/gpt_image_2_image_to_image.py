"""Pictures from pictures by GPT Image 2 through KIE (contract 6; upstreams/kie.md 2.9)."""

from typing import Annotated

from pydantic import Field

from app.catalog.entries.gpt_image_2_text_to_image import RULES, AspectRatio, Resolution
from app.catalog.model import (
    MIB,
    Credits,
    Example,
    Form,
    Input,
    Inputs,
    MediaUrl,
    NotBlank,
    Rates,
    Service,
    ServiceRequest,
    UpstreamTask,
    first_file,
    listed,
    upstream_urls,
)
from app.catalog.vocabulary import Vocabulary
from app.media.formats import Kinds
from app.providers.port import Task

MODEL = "gpt-image-2-image-to-image"


class GptImage2ImageToImageRequest(ServiceRequest):
    """A picture from words and one to five pictures."""

    prompt: Annotated[str, Field(min_length=1, max_length=20_000, description="What to change"), NotBlank]
    input_urls: list[MediaUrl] = Field(min_length=1, max_length=5, description="Pictures to work from")
    aspect_ratio: AspectRatio = "auto"
    resolution: Resolution = "1K"


def price(request: GptImage2ImageToImageRequest, rates: Rates) -> Credits:
    """By the size."""
    return rates[request.resolution]


def to_task(request: GptImage2ImageToImageRequest, inputs: Inputs) -> Task:
    """The model takes the contract's fields as they are."""
    return Task(MODEL, {
        "prompt": request.prompt, "input_urls": upstream_urls(inputs, "input_urls"),
        "aspect_ratio": request.aspect_ratio, "resolution": request.resolution,
    })


SERVICE = Service(
    id="gpt-image-2-image-to-image",
    title="GPT Image 2, image to image",
    summary="A picture from words and one to five pictures, by GPT Image 2.",
    group="image",
    request=GptImage2ImageToImageRequest,
    rates={"1K": "2", "2K": "2", "4K": "4"},
    costs=listed({"1K": "6", "2K": "10", "4K": "16"}),
    price=price,
    priced="By the resolution, debited at create.",
    run=UpstreamTask("kie", Form(to_task, models=(MODEL,), rules=RULES)),
    inputs=(
        Input(
            "input_urls", Kinds.IMAGE, limit_bytes=30 * MIB,
            types=frozenset({"image/jpeg", "image/png", "image/webp"}),
        ),
    ),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("image_url"),),
    result_kinds=Kinds.IMAGE,
    usual_s=15,
    deadline_s=1_800,
    examples=(
        Example(
            {"prompt": "The same chair in oak", "input_urls": ["https://example.com/chair.png"]}, credits="2"
        ),
        Example(
            {
                "prompt": "Both products on one table",
                "input_urls": ["https://example.com/cup.png", "https://example.com/pot.webp"],
                "aspect_ratio": "3:2",
                "resolution": "2K",
            },
            credits="2",
        ),
    ),
)

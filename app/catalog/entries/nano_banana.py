"""Pictures by Nano Banana 2 through KIE (contract 2.3; upstreams/kie.md 2.3)."""

from typing import Annotated, Literal

from pydantic import Field

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
    Takes,
    UpstreamTask,
    all_files,
    first_file,
    listed,
    upstream_urls,
)
from app.catalog.vocabulary import Vocabulary
from app.media.formats import Kinds
from app.providers.port import Task

MODEL = "nano-banana-2"


class NanoBananaRequest(ServiceRequest):
    """A picture from words and up to 14 pictures."""

    prompt: Annotated[str, Field(min_length=1, max_length=20_000, description="What to draw or to change"), NotBlank]
    image_input: list[MediaUrl] | None = Field(default=None, max_length=14, description="Pictures to work from")
    aspect_ratio: Literal[
        "1:1", "1:4", "1:8", "2:3", "3:2", "3:4", "4:1", "4:3", "4:5", "5:4", "8:1", "9:16", "16:9", "21:9", "auto"
    ] = "1:1"
    google_search: bool = Field(default=False, description="Let the model look facts up")
    resolution: Literal["1K", "2K", "4K"] = "1K"
    output_format: Literal["jpg", "png"] = "jpg"


RATES = {"1K": "2.0", "2K": "3.0", "4K": "4.0"}


def price(request: NanoBananaRequest, rates: Rates) -> Credits:
    """By the size."""
    return rates[request.resolution]


def to_task(request: NanoBananaRequest, inputs: Inputs) -> Task:
    """Everything is sent, as the model's own defaults are others than the contract's."""
    body: dict[str, object] = {
        "prompt": request.prompt, "aspect_ratio": request.aspect_ratio, "resolution": request.resolution,
        "output_format": request.output_format,
    }
    if pictures := upstream_urls(inputs, "image_input"):
        body["image_input"] = pictures
    if request.google_search:
        body["google_search"] = True
    return Task(MODEL, body)


SERVICE = Service(
    id="nano-banana",
    title="Nano Banana 2",
    summary="A picture from words and up to 14 pictures, by Nano Banana 2.",
    group="image",
    request=NanoBananaRequest,
    rates=RATES,
    costs=listed({"1K": "8", "2K": "12", "4K": "18"}),
    price=price,
    priced="By the resolution, debited at create.",
    run=UpstreamTask("kie", Form(to_task, models=(MODEL,))),
    inputs=(
        Input(
            "image_input", Kinds.IMAGE,
            upstream=Takes(frozenset({"image/jpeg", "image/png", "image/webp"}), limit_bytes=30 * MIB),
        ),
    ),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("image_url"), all_files("image_urls")),
    result_kinds=Kinds.IMAGE,
    has_callback=True,
    usual_s=25,
    deadline_s=1_800,
    examples=(
        Example({"prompt": "A red mug on slate, soft window light"}, credits="2.0"),
        Example(
            {
                "prompt": "Put the cat of the first picture onto the sofa of the second",
                "image_input": ["https://example.com/cat.png", "https://example.com/sofa.jpg"],
                "aspect_ratio": "4:3",
                "resolution": "2K",
                "output_format": "png",
            },
            credits="3.0",
        ),
    ),
)

"""Pictures from words by GPT Image 2 through KIE (contract 6; upstreams/kie.md 2.9)."""

from typing import Annotated, Literal

from pydantic import Field

from app.catalog.model import (
    Credits,
    Example,
    Form,
    Inputs,
    NotBlank,
    Rates,
    Service,
    ServiceRequest,
    UpstreamTask,
    first_file,
    listed,
)
from app.catalog.rules import Rule
from app.catalog.vocabulary import Vocabulary
from app.media.formats import Kinds
from app.providers.port import Task

MODEL = "gpt-image-2-text-to-image"

AspectRatio = Literal["auto", "1:1", "5:4", "9:16", "21:9", "16:9", "4:3", "3:2", "4:5", "3:4", "2:3"]
Resolution = Literal["1K", "2K", "4K"]


class GptImage2TextToImageRequest(ServiceRequest):
    """A picture from words."""

    prompt: Annotated[str, Field(min_length=1, max_length=20_000, description="What to draw"), NotBlank]
    aspect_ratio: AspectRatio = "auto"
    resolution: Resolution = "1K"


RULES = (
    Rule(
        "aspect_ratio",
        when=lambda request: request.aspect_ratio == "auto" and request.resolution != "1K",
        says="auto is made at 1K only",
    ),
    Rule(
        "aspect_ratio",
        when=lambda request: request.aspect_ratio == "1:1" and request.resolution == "4K",
        says="1:1 is made at 1K and 2K only",
    ),
    Rule(
        "aspect_ratio",
        when=lambda request: request.aspect_ratio in ("5:4", "4:5") and request.resolution != "1K",
        says="5:4 and 4:5 are made at 1K only",
    ),
)


def price(request: GptImage2TextToImageRequest, rates: Rates) -> Credits:
    """By the size."""
    return rates[request.resolution]


def to_task(request: GptImage2TextToImageRequest, inputs: Inputs) -> Task:
    """The model takes the contract's fields as they are."""
    body = {"prompt": request.prompt, "aspect_ratio": request.aspect_ratio, "resolution": request.resolution}
    return Task(MODEL, body)


SERVICE = Service(
    id="gpt-image-2-text-to-image",
    title="GPT Image 2, text to image",
    summary="A picture from words, by GPT Image 2.",
    group="image",
    request=GptImage2TextToImageRequest,
    rates={"1K": "1", "2K": "1", "4K": "2"},
    costs=listed({"1K": "6", "2K": "10", "4K": "16"}),
    price=price,
    priced="By the resolution, debited at create.",
    run=UpstreamTask("kie", Form(to_task, models=(MODEL,), rules=RULES)),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("image_url"),),
    result_kinds=Kinds.IMAGE,
    usual_s=10,
    deadline_s=1_800,
    examples=(
        Example({"prompt": "A poster for a night market, bold letters"}, credits="1"),
        Example({"prompt": "A map of an island, hand drawn", "aspect_ratio": "16:9", "resolution": "4K"}, credits="2"),
    ),
)

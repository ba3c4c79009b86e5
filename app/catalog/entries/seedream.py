"""Pictures by Seedream 5.0 through KIE (contract 2.2; upstreams/kie.md 2.2)."""

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
from app.ledger import HoldKind
from app.media.formats import Kinds
from app.providers.port import Task

FROM_WORDS = "seedream/5-lite-text-to-image"
FROM_PICTURE = "seedream/5-lite-image-to-image"
PROMPT_LEAST = 3


class SeedreamRequest(ServiceRequest):
    """A picture from words, or from a picture and words."""

    prompt: Annotated[str, Field(min_length=1, max_length=2_995, description="What to draw or to change"), NotBlank]
    image_urls: list[MediaUrl] | None = Field(default=None, max_length=1, description="The picture to start from")
    aspect_ratio: Literal["1:1", "4:3", "3:4", "16:9", "9:16", "2:3", "3:2", "21:9"] = "1:1"
    quality: Literal["basic", "high"] = "basic"


RULES = (
    Rule(
        "prompt",
        when=lambda request: len(request.prompt) < PROMPT_LEAST,
        says="the model reads three characters or more, so it was lengthened with dots",
        change=lambda request: {"prompt": request.prompt.ljust(PROMPT_LEAST, ".")},
    ),
)


def to_task(request: SeedreamRequest, inputs: Inputs) -> Task:
    """The picture decides which of the two models it is."""
    body: dict[str, object] = {
        "prompt": request.prompt, "aspect_ratio": request.aspect_ratio, "quality": request.quality,
    }
    if pictures := upstream_urls(inputs, "image_urls"):
        return Task(FROM_PICTURE, body | {"image_urls": pictures})
    return Task(FROM_WORDS, body)


SERVICE = Service(
    id="seedream",
    title="Seedream 5.0",
    summary="A picture from words, or from a picture and words, by Seedream 5.0.",
    group="image",
    request=SeedreamRequest,
    rates={"job": "1.5"},
    costs=listed({"job": "5.5"}),
    price=flat_price(),
    priced="For each job, debited at completion; set aside until then.",
    # Charged at completion, as the contract has it: until then the credits are set aside, and shown nowhere.
    hold=HoldKind.DEFERRED,
    run=UpstreamTask("kie", Form(to_task, models=(FROM_WORDS, FROM_PICTURE), rules=RULES)),
    inputs=(
        Input(
            "image_urls", Kinds.IMAGE,
            upstream=Takes(frozenset({"image/jpeg", "image/png", "image/webp"}), limit_bytes=10 * MIB),
        ),
    ),
    vocabulary=Vocabulary.LOWER,
    results=(first_file("image_url"),),
    result_kinds=Kinds.IMAGE,
    has_callback=True,
    usual_s=20,
    deadline_s=1_800,
    examples=(
        Example({"prompt": "A tea house in the rain, ink and watercolour", "aspect_ratio": "3:2"}, credits="1.5"),
        Example(
            {
                "prompt": "The same room at night, lit by candles",
                "image_urls": ["https://example.com/room.jpg"],
                "aspect_ratio": "16:9",
                "quality": "high",
            },
            credits="1.5",
        ),
    ),
)

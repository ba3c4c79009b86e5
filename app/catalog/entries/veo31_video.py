"""Films with sound by Veo 3.1 through KIE (contract 2.10; upstreams/kie.md 2.11 and 3).

Its own routes are the only ones that let a client choose between `veo3` and `veo3_fast`; the jobs API has one Veo.
"""

from collections.abc import Mapping
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
    WholeNumber,
    first_file,
    last_file,
    listed,
    upstream_urls,
    value,
)
from app.catalog.rules import Rule
from app.catalog.vocabulary import Vocabulary
from app.media.formats import Kinds
from app.providers.port import Outputs, Task

JOBS_MODEL = "veo-3-1"
USUAL_RESOLUTION = "720p"
FROM_WORDS = "TEXT_2_VIDEO"
FRAMES = "FIRST_AND_LAST_FRAMES_2_VIDEO"
REFERENCE = "REFERENCE_2_VIDEO"


class Veo31VideoRequest(ServiceRequest):
    """A film from words, between frames, or after reference pictures."""

    prompt: Annotated[str, Field(min_length=1, max_length=2_000, description="What happens and sounds"), NotBlank]
    model: Literal["veo3_fast", "veo3"] = "veo3_fast"
    image_urls: list[MediaUrl] | None = Field(default=None, max_length=3)
    generation_type: Annotated[
        Literal["TEXT_2_VIDEO", "FIRST_AND_LAST_FRAMES_2_VIDEO", "REFERENCE_2_VIDEO"] | None,
        Field(description="Absent: from words without pictures, frames with one or two, reference with three"),
    ] = None
    aspect_ratio: Literal["16:9", "9:16", "Auto"] = "16:9"
    seeds: Annotated[WholeNumber | None, Field(ge=10_000, le=99_999)] = None
    enable_translation: bool = True
    watermark: Annotated[str | None, Field(max_length=50)] = None


def count(request: Veo31VideoRequest) -> int:
    """How many pictures came with it."""
    return len(request.image_urls or ())


RULES = (
    Rule(
        "generation_type",
        when=lambda request: request.generation_type in (FRAMES, REFERENCE) and not count(request),
        says="this one needs image_urls",
    ),
    Rule(
        "image_urls",
        when=lambda request: request.generation_type == FROM_WORDS and count(request) > 0,
        says="TEXT_2_VIDEO uses no pictures, so they are left out",
        change=lambda request: {"image_urls": None},
    ),
    Rule(
        "image_urls",
        when=lambda request: count(request) > 2
        and (request.generation_type == FRAMES or (request.generation_type is None and request.model == "veo3")),
        says="a film between frames has two of them, so the first and the last picture are used",
        change=lambda request: {"image_urls": [request.image_urls[0], request.image_urls[-1]]},
    ),
)
LEGACY_RULES = (
    *RULES,
    Rule(
        "generation_type",
        when=lambda request: request.generation_type == REFERENCE and request.model == "veo3",
        says="REFERENCE_2_VIDEO is made by veo3_fast only",
    ),
)
JOBS_RULES = (
    Rule(
        "model",
        when=lambda request: request.model == "veo3",
        says="this server reaches Veo by routes that make veo3_fast only",
    ),
    *RULES,
    Rule(
        "seeds",
        when=lambda request: request.seeds is not None,
        says="the routes by which this server reaches Veo take none, so it is left out",
        change=lambda request: {"seeds": None},
    ),
)


def generation_type(request: Veo31VideoRequest) -> str:
    """The one that was asked for, or that which the number of pictures means."""
    derived = {0: FROM_WORDS, 1: FRAMES, 2: FRAMES}.get(count(request), REFERENCE)
    return request.generation_type or derived


def given(fields: Mapping[str, object]) -> dict[str, object]:
    """The fields that have a value."""
    return {name: item for name, item in fields.items() if item not in (None, [])}


def to_task(request: Veo31VideoRequest, inputs: Inputs) -> Task:
    """The jobs API."""
    return Task(JOBS_MODEL, given({
        "prompt": request.prompt, "image_urls": upstream_urls(inputs, "image_urls"),
        "generation_type": generation_type(request), "aspect_ratio": request.aspect_ratio,
        "enable_translation": request.enable_translation, "watermark": request.watermark,
    }))


def to_legacy_task(request: Veo31VideoRequest, inputs: Inputs) -> Task:
    """Its own routes. Which spelling of the shape they read is not known, so both are sent (kie.md 3.1)."""
    return Task(request.model, given({
        "prompt": request.prompt, "imageUrls": upstream_urls(inputs, "image_urls"),
        "generationType": generation_type(request), "aspect_ratio": request.aspect_ratio,
        "aspectRatio": request.aspect_ratio, "seeds": request.seeds, "watermark": request.watermark,
        "enableTranslation": request.enable_translation,
    }))


def price(request: Veo31VideoRequest, rates: Rates) -> Credits:
    """By the model."""
    return rates[request.model]


def read_resolution(outputs: Outputs) -> Mapping[str, object]:
    """What the provider says, else what it makes unless it is told otherwise."""
    return {"resolution": outputs.values.get("resolution", USUAL_RESOLUTION)}


SERVICE = Service(
    id="veo31-video",
    title="Veo 3.1",
    summary="A film with sound from words or pictures, by Veo 3.1.",
    group="video",
    request=Veo31VideoRequest,
    rates={"veo3_fast": "15.0", "veo3": "50.0"},
    costs=listed({"veo3_fast": "60", "veo3": "250"}),
    price=price,
    priced="By the model, debited at create.",
    run=UpstreamTask(
        "kie",
        Form(to_task, models=(JOBS_MODEL,), rules=JOBS_RULES),
        legacy=Form(to_legacy_task, models=("veo3_fast", "veo3"), dialect="veo", rules=LEGACY_RULES),
    ),
    # Veo's pages name no limits; these are what KIE's other models take.
    inputs=(
        Input(
            "image_urls", Kinds.IMAGE,
            upstream=Takes(frozenset({"image/jpeg", "image/png", "image/webp"}), limit_bytes=10 * MIB),
        ),
    ),
    vocabulary=Vocabulary.LOWER_WITH_CANCEL,
    results=(first_file("video_url"), last_file("origin_url"), value("resolution", example=USUAL_RESOLUTION)),
    result_kinds=Kinds.VIDEO,
    read_outputs=read_resolution,
    is_cancellable=True,
    has_callback=True,
    usual_s=120,
    deadline_s=3_600,
    examples=(
        Example({"prompt": "A harbour at dusk, gulls and a distant bell"}, credits="15.0"),
        Example(
            {
                "prompt": "The lantern falls and breaks",
                "image_urls": ["https://example.com/whole.png", "https://example.com/broken.png"],
                "aspect_ratio": "9:16",
                "seeds": 12345,
            },
            credits="15.0",
        ),
    ),
)

"""Music by Suno through KIE (contract 2.11; upstreams/kie.md 4).

Suno has two modes. With a style it takes everything, and sings the prompt as it stands (custom); without one it reads
a description of at most 500 characters and nothing else (simple). An instrumental piece with a style has no use for
the prompt.
"""

from collections.abc import Mapping
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
    all_files,
    first_file,
    flat_price,
    listed,
)
from app.catalog.rules import Rule
from app.catalog.vocabulary import Vocabulary
from app.media.formats import Kinds
from app.providers.port import Task

JOBS_MODEL = "ai-music-api/generate"
DESCRIPTION_MOST = 500
TITLE_MOST = 80
STYLE_MOST = {"V4": 200, "V5": 1_000}
SOME_STYLE = "song"
USUAL_WEIGHT = 0.5
VOICES = {"m": "male", "f": "female"}

Weight = Annotated[float, Field(ge=0, le=1)]


class TextToMusicRequest(ServiceRequest):
    """Two tracks from a description, or from lyrics and a style."""

    prompt: Annotated[
        str,
        Field(min_length=1, max_length=2_000, description="What it is about; with a style, the lyrics themselves"),
        NotBlank,
    ]
    style: Annotated[str | None, Field(max_length=100)] = None
    title: Annotated[str | None, Field(max_length=200)] = None
    instrumental: bool = False
    model: Literal["V3", "V3_5", "V4", "V5"] = "V4"
    negative_tags: Annotated[str | None, Field(max_length=500, description="What it must not sound like")] = None
    vocal_gender: Literal["m", "f"] | None = None
    style_weight: Weight | None = USUAL_WEIGHT
    weirdness_constraint: Weight | None = USUAL_WEIGHT
    audio_weight: Weight | None = USUAL_WEIGHT


def has_style(request: TextToMusicRequest) -> bool:
    """Whether it is a request for custom mode."""
    return bool(request.style and request.style.strip())


def has_weights(request: TextToMusicRequest) -> bool:
    """Whether the client set any weight to something."""
    weights = (request.style_weight, request.weirdness_constraint, request.audio_weight)
    return any(weight not in (None, USUAL_WEIGHT) for weight in weights)


def voiced(request: TextToMusicRequest) -> str:
    """The description with the voice in it."""
    return f"{request.prompt} ({VOICES[request.vocal_gender or 'f']} vocals)"


def without(request: TextToMusicRequest) -> str:
    """The description with what is not wanted in it."""
    return f"{request.prompt} (without {request.negative_tags})"


def cut_style(request: TextToMusicRequest, style: str) -> dict[str, object]:
    """As much of a style as the model reads."""
    return {"style": style.strip()[: STYLE_MOST[request.model]].strip()}


def left_out(field: str) -> Rule:
    """The line for a field that nothing can be made of without a style."""
    return Rule(
        field,
        when=lambda request: bool(not has_style(request) and getattr(request, field)),
        says="the model reads it with a style only, so it is left out",
        change=lambda _: {field: None},
    )


RULES = (
    Rule(
        "model",
        when=lambda request: request.model in ("V3", "V3_5"),
        says="this version is not offered any more, so V4 is used",
        change=lambda request: {"model": "V4"},
    ),
    Rule(
        "title",
        when=lambda request: len(request.title or "") > TITLE_MOST,
        says=f"the model reads {TITLE_MOST} characters, so it is cut",
        change=lambda request: {"title": request.title[:TITLE_MOST].strip()},
    ),
    Rule(
        "vocal_gender",
        when=lambda request: request.vocal_gender is not None and request.instrumental,
        says="an instrumental piece has no voice, so it is left out",
        change=lambda request: {"vocal_gender": None},
    ),
    Rule(
        "prompt",
        when=lambda request: request.instrumental and has_style(request),
        says="an instrumental piece is described by its style alone, so this is added there, as far as it fits",
        change=lambda request: cut_style(request, f"{request.style}, {request.prompt}"),
    ),
    Rule(
        "prompt",
        when=lambda request: request.instrumental and not has_style(request) and len(request.prompt) > DESCRIPTION_MOST,
        says="a description has at most 500 characters, so the beginning of this is used as the style",
        change=lambda request: cut_style(request, request.prompt),
    ),
    Rule(
        "prompt",
        when=lambda request: not has_style(request) and len(request.prompt) > DESCRIPTION_MOST,
        says="a description has at most 500 characters, so this is sung as the lyrics",
        change=lambda request: {"style": SOME_STYLE},
    ),
    Rule(
        "vocal_gender",
        when=lambda request: bool(
            not has_style(request) and request.vocal_gender and len(voiced(request)) <= DESCRIPTION_MOST
        ),
        says="without a style the model reads the prompt alone, so this is written there",
        change=lambda request: {"vocal_gender": None, "prompt": voiced(request)},
    ),
    Rule(
        "negative_tags",
        when=lambda request: bool(
            not has_style(request) and request.negative_tags and len(without(request)) <= DESCRIPTION_MOST
        ),
        says="without a style the model reads the prompt alone, so this is written there",
        change=lambda request: {"negative_tags": None, "prompt": without(request)},
    ),
    left_out("title"),
    left_out("vocal_gender"),
    left_out("negative_tags"),
    Rule(
        "style_weight",
        when=lambda request: not has_style(request) and has_weights(request),
        says="the model reads the weights with a style only, so they are left out",
        change=lambda request: {"style_weight": None, "weirdness_constraint": None, "audio_weight": None},
    ),
)


def fields_of(request: TextToMusicRequest) -> dict[str, object]:
    """What is sent, in the jobs API's spelling."""
    if not has_style(request):
        return {"custom_mode": False, "instrumental": request.instrumental, "prompt": request.prompt}
    title = request.title or request.prompt.strip().splitlines()[0][:TITLE_MOST].strip()
    weights = {name: round(weight, 2) for name in ("style_weight", "weirdness_constraint", "audio_weight")
               if (weight := getattr(request, name)) is not None}
    given = {"negative_tags": request.negative_tags, "vocal_gender": request.vocal_gender,
             "prompt": None if request.instrumental else request.prompt}
    return {
        "custom_mode": True, "instrumental": request.instrumental, "style": request.style, "title": title, **weights,
        **{name: text for name, text in given.items() if text},
    }


def to_task(request: TextToMusicRequest, inputs: Inputs) -> Task:
    """The jobs API. Under which name it reads lyrics is not known, so both are sent (kie.md 4.4)."""
    fields = fields_of(request)
    lyrics = {"lyrics": fields["prompt"]} if fields["custom_mode"] and "prompt" in fields else {}
    return Task(JOBS_MODEL, {"model": request.model, **fields, **lyrics})


LEGACY_NAMES: Mapping[str, str] = {
    "custom_mode": "customMode", "negative_tags": "negativeTags", "vocal_gender": "vocalGender",
    "style_weight": "styleWeight", "weirdness_constraint": "weirdnessConstraint", "audio_weight": "audioWeight",
}


def to_legacy_task(request: TextToMusicRequest, inputs: Inputs) -> Task:
    """Its own routes, which spell the fields in another way."""
    fields = {LEGACY_NAMES.get(name, name): item for name, item in fields_of(request).items()}
    return Task(request.model, fields)


SERVICE = Service(
    id="text-to-music",
    title="Text-to-Music",
    summary="Two tracks of music from words, by Suno.",
    group="audio",
    verb="generate",
    request=TextToMusicRequest,
    rates={"job": "3.0"},
    costs=listed({"job": "12"}),
    price=flat_price(),
    run=UpstreamTask(
        "kie",
        Form(to_task, models=(JOBS_MODEL,), rules=RULES),
        legacy=Form(to_legacy_task, models=("V4", "V5"), dialect="suno", rules=RULES, needs_callback=True),
    ),
    vocabulary=Vocabulary.UPPER_WITH_QUEUE,
    results=(first_file("audio_url"), all_files("audio_urls")),
    result_kinds=Kinds.AUDIO,
    has_history=True,
    usual_s=60,
    deadline_s=2_400,
    examples=(
        Example({"prompt": "A calm evening by the river, acoustic guitar", "instrumental": True}, credits="3.0"),
        Example(
            {
                "prompt": "[Verse] Rain on a tin roof\n[Chorus] Stay till the morning",
                "style": "Thai indie pop, female vocals",
                "title": "Tin Roof",
                "model": "V5",
                "vocal_gender": "f",
            },
            credits="3.0",
        ),
    ),
)

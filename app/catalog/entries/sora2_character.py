"""Characters for Sora 2, through KIE (contract 2.7; upstreams/kie.md 2.6).

KIE has withdrawn the model. A character lives only as long as KIE keeps the film that it was made from: some days.
"""

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from app.catalog.model import (
    MIB,
    Creations,
    Example,
    Form,
    Input,
    Inputs,
    MediaUrl,
    Service,
    ServiceRequest,
    Takes,
    UpstreamTask,
    flat_price,
    upstream_urls,
    value,
)
from app.catalog.vocabulary import Vocabulary
from app.errors import UnsupportedMedia
from app.media.formats import Kinds
from app.media.probe import MediaInfo
from app.providers.port import Outputs, Task

MODEL = "sora-2-characters"
SHORTEST_S, LONGEST_S = 1.0, 4.0
# A camera's last picture may stand a little beyond the full second.
TOLERANCE_S = 0.05


class Sora2CharacterRequest(ServiceRequest):
    """A character from a short film of it."""

    character_file_url: Annotated[
        MediaUrl, Field(description="MP4, MOV, WebM, M4V or AVI of 1 to 4 seconds, at most 100 MB")
    ]
    character_prompt: Annotated[str | None, Field(max_length=5_000, description="Who it is")] = None
    safety_instruction: Annotated[str | None, Field(max_length=5_000)] = None


def check_film(media: MediaInfo) -> None:
    """Raise UnsupportedMedia for a film of another length."""
    if not SHORTEST_S <= (media.duration_s or 0) <= LONGEST_S + TOLERANCE_S:
        raise UnsupportedMedia("The film must have 1 to 4 seconds.")


def to_task(request: Sora2CharacterRequest, inputs: Inputs) -> Task:
    """The model wants a list of exactly one film."""
    texts = {"character_prompt": request.character_prompt, "safety_instruction": request.safety_instruction}
    return Task(MODEL, {
        "character_file_url": upstream_urls(inputs, "character_file_url"),
        **{name: text for name, text in texts.items() if text},
    })


def read_character(outputs: Outputs) -> Mapping[str, object]:
    """The character's id, if there is one."""
    return {name: text for name, text in outputs.values.items() if name == "character_id" and text}


SERVICE = Service(
    id="sora2-character",
    title="Sora 2, characters",
    summary="A character for films by Sora 2, from a short film of it.",
    group="video",
    request=Sora2CharacterRequest,
    rates={"job": "0.5"},
    price=flat_price(),
    run=UpstreamTask("kie", Form(to_task, models=(MODEL,))),
    inputs=(
        Input(
            "character_file_url", Kinds.VIDEO, limit_bytes=100 * MIB, check=check_film,
            types=frozenset({"video/mp4", "video/quicktime", "video/webm", "video/x-msvideo"}),
            upstream=Takes(frozenset({"video/mp4", "video/webm", "video/x-msvideo"}), limit_bytes=10 * MIB),
        ),
    ),
    vocabulary=Vocabulary.LOWER_WITH_CANCEL,
    results=(value("character_id", example="char_abc123"),),
    result_kinds=Kinds(0),
    read_outputs=read_character,
    creations=Creations("characters", fields=("character_prompt", "character_file_url")),
    is_cancellable=True,
    usual_s=60,
    deadline_s=1_800,
    examples=(
        Example(
            {"character_file_url": "https://example.com/mali.mp4", "character_prompt": "Mali, a street musician"},
            credits="0.5",
        ),
    ),
)

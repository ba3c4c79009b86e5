"""Films by Seedance 1.5 Pro through KIE (contract 2.8; upstreams/kie.md 2.7)."""

from collections.abc import Sequence
from pathlib import Path
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
    first_file,
    listed,
    second_file,
    upstream_urls,
)
from app.catalog.vocabulary import Vocabulary
from app.media.cutting import take_sound
from app.media.formats import Kinds
from app.providers.port import Task

MODEL = "bytedance/seedance-1.5-pro"


class SeedanceVideoRequest(ServiceRequest):
    """A film from words, from a first frame, or between a first and a last frame."""

    prompt: Annotated[str, Field(min_length=3, max_length=2_500, description="What happens"), NotBlank]
    input_urls: list[MediaUrl] | None = Field(
        default=None, max_length=2, description="None: from words. One: the first frame. Two: the first and the last"
    )
    aspect_ratio: Literal["1:1", "21:9", "4:3", "3:4", "16:9", "9:16"] = "16:9"
    resolution: Literal["480p", "720p", "1080p"] = "720p"
    duration: Annotated[Literal["4", "8", "12"], Field(description="Seconds")] = "8"
    fixed_lens: Annotated[bool, Field(description="The camera stands still")] = False
    generate_audio: bool = False


# Not a formula: 18 cells of the contract's table.
RATES = {
    "480p 4s": "2", "480p 8s": "3", "480p 12s": "4",
    "720p 4s": "3", "720p 8s": "6", "720p 12s": "9",
    "1080p 4s": "6", "1080p 8s": "12", "1080p 12s": "18",
    "480p 4s audio": "3", "480p 8s audio": "6", "480p 12s audio": "8",
    "720p 4s audio": "6", "720p 8s audio": "12", "720p 12s audio": "18",
    "1080p 4s audio": "12", "1080p 8s audio": "23", "1080p 12s audio": "35",
}

# KIE's list (kie.md 7): 1.75, 3.5 and 7.5 credits a second, and twice that with sound.
COSTS = {
    "480p 4s": "7", "480p 8s": "14", "480p 12s": "21",
    "720p 4s": "14", "720p 8s": "28", "720p 12s": "42",
    "1080p 4s": "30", "1080p 8s": "60", "1080p 12s": "90",
    "480p 4s audio": "14", "480p 8s audio": "28", "480p 12s audio": "42",
    "720p 4s audio": "28", "720p 8s audio": "56", "720p 12s audio": "84",
    "1080p 4s audio": "60", "1080p 8s audio": "120", "1080p 12s audio": "180",
}


def price(request: SeedanceVideoRequest, rates: Rates) -> Credits:
    """The cell of the table."""
    return rates[f"{request.resolution} {request.duration}s{' audio' if request.generate_audio else ''}"]


def to_task(request: SeedanceVideoRequest, inputs: Inputs) -> Task:
    """The model counts its seconds in a number."""
    body: dict[str, object] = {
        "prompt": request.prompt, "aspect_ratio": request.aspect_ratio, "resolution": request.resolution,
        "duration": int(request.duration), "fixed_lens": request.fixed_lens, "generate_audio": request.generate_audio,
    }
    if pictures := upstream_urls(inputs, "input_urls"):
        body["input_urls"] = pictures
    return Task(MODEL, body)


async def add_sound(request: SeedanceVideoRequest, files: Sequence[Path], folder: Path) -> Sequence[Path]:
    """The film's sound as a file of its own, where it was asked for. A film without it is not what was paid for."""
    if not request.generate_audio:
        return files[:1]
    target = folder / "sound.m4a"
    await take_sound(files[0], target)
    return [files[0], target]


SERVICE = Service(
    id="seedance-video",
    title="Seedance 1.5 Pro",
    summary="A film of 4 to 12 seconds from words or pictures, with sound on request, by Seedance 1.5 Pro.",
    group="video",
    request=SeedanceVideoRequest,
    rates=RATES,
    costs=listed(COSTS),
    price=price,
    priced="By resolution, seconds and sound, debited at create.",
    run=UpstreamTask("kie", Form(to_task, models=(MODEL,))),
    inputs=(
        Input(
            "input_urls", Kinds.IMAGE,
            upstream=Takes(frozenset({"image/jpeg", "image/png", "image/webp"}), limit_bytes=10 * MIB),
        ),
    ),
    vocabulary=Vocabulary.LOWER_WITH_CANCEL,
    results=(first_file("video_url"), second_file("audio_url", suffix=".m4a")),
    result_kinds=Kinds.VIDEO | Kinds.AUDIO,
    finish=add_sound,
    is_cancellable=True,
    has_callback=True,
    usual_s=90,
    deadline_s=3_600,
    examples=(
        Example({"prompt": "Waves break on black sand", "duration": "4", "resolution": "480p"}, credits="2"),
        Example(
            {
                "prompt": "The flower opens, birds sing",
                "input_urls": ["https://example.com/bud.png", "https://example.com/flower.png"],
                "aspect_ratio": "9:16",
                "duration": "8",
                "generate_audio": True,
            },
            credits="12",
        ),
    ),
)

"""A picture that moves as a film does, by Kling 2.6 Motion Control through KIE (contract 2.9; upstreams/kie.md 2.8)."""

from decimal import ROUND_CEILING, ROUND_DOWN, Decimal
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
    Metered,
    Rates,
    Service,
    ServiceRequest,
    UpstreamTask,
    first_file,
    listed,
    rounded,
    upstream_urls,
)
from app.catalog.vocabulary import Vocabulary
from app.errors import UnsupportedMedia
from app.media.formats import Kinds
from app.media.probe import MediaInfo
from app.providers.port import Task

MODEL = "kling-2.6/motion-control"
SIDE_LEAST = 300
RATIO_LEAST, RATIO_MOST = 2 / 5, 5 / 2
# The contract has no shortest film; the model has.
SHORTEST_S, LONGEST_S = 3.0, 30.0
LONGEST_RESULT_S = {"image": Decimal(10), "video": Decimal(30)}


class KlingMotionControlRequest(ServiceRequest):
    """A picture of a person, and a film whose movement it takes over."""

    prompt: Annotated[str | None, Field(max_length=2_500)] = None
    input_urls: list[MediaUrl] = Field(
        min_length=1, max_length=1, description="JPEG or PNG, at most 10 MB, sides above 300 px, at most 5:2"
    )
    video_urls: list[MediaUrl] = Field(
        min_length=1, max_length=1, description="MP4 or MOV of 3 to 30 seconds, at most 100 MB"
    )
    character_orientation: Annotated[
        Literal["image", "video"], Field(description="image: at most 10 seconds are made; video: at most 30")
    ] = "video"
    mode: Literal["720p", "1080p"] = "720p"


def check_picture(media: MediaInfo) -> None:
    """Raise UnsupportedMedia for a picture that the model refuses."""
    width, height = media.width or 0, media.height or 1
    if min(width, height) <= SIDE_LEAST:
        raise UnsupportedMedia(f"Both sides of the picture must have more than {SIDE_LEAST} pixels.")
    if not RATIO_LEAST <= width / height <= RATIO_MOST:
        raise UnsupportedMedia("The picture must be between 2:5 and 5:2.")


def check_film(media: MediaInfo) -> None:
    """Raise UnsupportedMedia for a film of another length."""
    if not SHORTEST_S <= (media.duration_s or 0) <= LONGEST_S:
        raise UnsupportedMedia("The film must have 3 to 30 seconds.")


def price_of(request: KlingMotionControlRequest, rates: Rates, seconds: Decimal) -> Credits:
    """The rate for each started second of the film, up to what is made (contract 2.9)."""
    # Containers keep time to a thousandth or so: what is over by less than a hundredth is not a second begun.
    started = seconds.quantize(Decimal("0.01"), ROUND_DOWN).to_integral_value(ROUND_CEILING)
    counted = max(Decimal(1), min(started, LONGEST_RESULT_S[request.character_orientation]))
    return rounded(rates[request.mode] * counted, 2)


def least_price(request: KlingMotionControlRequest, rates: Rates) -> Credits:
    """What the shortest film costs."""
    return price_of(request, rates, Decimal(SHORTEST_S))


def to_task(request: KlingMotionControlRequest, inputs: Inputs) -> Task:
    """The model takes the contract's fields as they are."""
    body: dict[str, object] = {
        "input_urls": upstream_urls(inputs, "input_urls"), "video_urls": upstream_urls(inputs, "video_urls"),
        "character_orientation": request.character_orientation, "mode": request.mode,
    }
    return Task(MODEL, body | {"prompt": request.prompt} if request.prompt else body)


SERVICE = Service(
    id="kling-motion-control",
    title="Kling 2.6 Motion Control",
    summary="A picture of a person that moves as a film does, by Kling 2.6.",
    group="video",
    request=KlingMotionControlRequest,
    rates={"720p": "1.21", "1080p": "1.82"},
    costs=listed({"720p": "11", "1080p": "18"}),
    price=least_price,
    priced="For each started second of the film, up to 10 (`image`) or 30 (`video`), debited at create.",
    metered=Metered("video_urls", price_of),
    run=UpstreamTask("kie", Form(to_task, models=(MODEL,))),
    inputs=(
        Input(
            "input_urls", Kinds.IMAGE, limit_bytes=10 * MIB, types=frozenset({"image/jpeg", "image/png"}),
            check=check_picture,
        ),
        Input(
            "video_urls", Kinds.VIDEO, limit_bytes=100 * MIB, types=frozenset({"video/mp4", "video/quicktime"}),
            check=check_film,
        ),
    ),
    vocabulary=Vocabulary.LOWER_WITH_CANCEL,
    results=(first_file("video_url"),),
    result_kinds=Kinds.VIDEO,
    is_cancellable=True,
    has_callback=True,
    usual_s=180,
    deadline_s=3_600,
    examples=(
        Example(
            {"input_urls": ["https://example.com/dancer.jpg"], "video_urls": ["https://example.com/dance.mp4"]},
            credits="6.05", seconds="5",
        ),
        Example(
            {
                "prompt": "She dances in a temple courtyard",
                "input_urls": ["https://example.com/dancer.png"],
                "video_urls": ["https://example.com/dance.mov"],
                "character_orientation": "image",
                "mode": "1080p",
            },
            credits="18.20", seconds="12",
        ),
    ),
)

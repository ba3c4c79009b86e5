"""Every cell of the contract's prices, to the last digit (contract 2, 4, 6 and 7)."""

from collections.abc import Mapping
from decimal import Decimal

import pytest

from app.catalog.loader import load_catalog
from app.catalog.model import Rates, Service

CATALOG = load_catalog()
PICTURE = "https://example.com/a.png"
FILM = "https://example.com/a.mp4"

Cell = tuple[str, Mapping[str, object], str]
FLAT: list[Cell] = [
    ("text-to-image", {}, "1.0"),
    ("seedream", {"quality": "basic"}, "1.5"),
    ("seedream", {"quality": "high", "image_urls": [PICTURE]}, "1.5"),
    ("nano-banana", {}, "2.0"),
    ("nano-banana", {"resolution": "1K"}, "2.0"),
    ("nano-banana", {"resolution": "2K"}, "3.0"),
    ("nano-banana", {"resolution": "4K"}, "4.0"),
    ("image-to-video", {"image_url": PICTURE}, "0.5"),
    *(("sora2-video", {"image_urls": [PICTURE], "n_frames": n}, "8.0") for n in ("5", "10", "15", "20")),
    *(("sora2-text-to-video", {"n_frames": n}, "8.0") for n in ("10", "15")),
    ("sora2-character", {"character_file_url": FILM}, "0.5"),
    ("veo31-video", {}, "15.0"),
    ("veo31-video", {"model": "veo3_fast"}, "15.0"),
    ("veo31-video", {"model": "veo3"}, "50.0"),
    *(("text-to-music", {"model": model}, "3.0") for model in ("V3", "V3_5", "V4", "V5")),
    *(
        ("gpt-image-2-text-to-image", {"aspect_ratio": "16:9", "resolution": size}, credits)
        for size, credits in (("1K", "1"), ("2K", "1"), ("4K", "2"))
    ),
    *(
        ("gpt-image-2-image-to-image", {"input_urls": [PICTURE], "aspect_ratio": "16:9", "resolution": size}, credits)
        for size, credits in (("1K", "2"), ("2K", "2"), ("4K", "4"))
    ),
]
# Resolution and seconds: without sound, with sound (contract 2.8).
SEEDANCE = {
    ("480p", "4"): ("2", "3"), ("480p", "8"): ("3", "6"), ("480p", "12"): ("4", "8"),
    ("720p", "4"): ("3", "6"), ("720p", "8"): ("6", "12"), ("720p", "12"): ("9", "18"),
    ("1080p", "4"): ("6", "12"), ("1080p", "8"): ("12", "23"), ("1080p", "12"): ("18", "35"),
}
# Mode, orientation, seconds of the film (contract 2.9).
KLING = [
    ("720p", "video", "5", "6.05"),
    ("720p", "image", "10", "12.10"),
    ("1080p", "video", "10", "18.20"),
    ("1080p", "video", "30", "54.60"),
    ("720p", "video", "30", "36.30"),
    ("720p", "image", "12", "12.10"),
    ("1080p", "image", "30", "18.20"),
    ("720p", "video", "3", "3.63"),
    ("720p", "video", "4.2", "6.05"),
    ("720p", "video", "5.02", "7.26"),
    ("720p", "video", "5.001", "6.05"),
]
# Seconds of the film or sound (contract 4.1).
BY_THE_MINUTE = [("20", "0.07"), ("30", "0.09"), ("60", "0.17"), ("600", "1.70"), ("1", "0.07")]


def rates_of(service: Service) -> Rates:
    return {name: Decimal(rate) for name, rate in service.rates.items()}


def price(service_id: str, fields: Mapping[str, object]) -> Decimal:
    service = CATALOG[service_id]
    return service.price(service.request.model_validate({"prompt": "a boat", **fields}), rates_of(service))


def metered_price(service_id: str, fields: Mapping[str, object], seconds: str) -> Decimal:
    service = CATALOG[service_id]
    assert service.metered is not None
    request = service.request.model_validate(fields)
    return service.metered.price(request, rates_of(service), Decimal(seconds))


@pytest.mark.parametrize(("service_id", "fields", "credits"), FLAT)
def test_price(service_id: str, fields: Mapping[str, object], credits: str) -> None:
    assert price(service_id, fields) == Decimal(credits)


@pytest.mark.parametrize(("cell", "credits"), SEEDANCE.items())
def test_seedance_is_priced_by_its_table(cell: tuple[str, str], credits: tuple[str, str]) -> None:
    fields = {"resolution": cell[0], "duration": cell[1]}

    assert price("seedance-video", fields) == Decimal(credits[0])
    assert price("seedance-video", {**fields, "generate_audio": True}) == Decimal(credits[1])


@pytest.mark.parametrize(("mode", "orientation", "seconds", "credits"), KLING)
def test_kling_is_priced_by_started_seconds(mode: str, orientation: str, seconds: str, credits: str) -> None:
    fields = {"input_urls": [PICTURE], "video_urls": [FILM], "mode": mode, "character_orientation": orientation}

    assert metered_price("kling-motion-control", fields, seconds) == Decimal(credits)
    assert price("kling-motion-control", fields) <= Decimal(credits)


@pytest.mark.parametrize("service_id", ["thai-subtitle", "transcribe"])
@pytest.mark.parametrize(("seconds", "credits"), BY_THE_MINUTE)
def test_subtitles_and_transcripts_are_priced_by_the_minute(service_id: str, seconds: str, credits: str) -> None:
    assert metered_price(service_id, {"media_url": FILM}, seconds) == Decimal(credits)


def test_changed_rates_change_the_price() -> None:
    service = CATALOG["seedance-video"]
    request = service.request.model_validate({"prompt": "a boat"})

    assert service.price(request, {**rates_of(service), "720p 8s": Decimal(12)}) == 12

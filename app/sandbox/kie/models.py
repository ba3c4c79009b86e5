"""The models of the jobs API, one row each: what they accept, what they cost, what they make, how long it takes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from app.sandbox.kie.fields import Field, choice, complaint, flag, text, urls
from app.sandbox.media.specs import Media, Picture, size_for
from app.sandbox.tasks import JsonObject


def no_rule(_: JsonObject) -> str | None:
    """No rule beyond the fields."""
    return None


def result_urls(addresses: list[str]) -> JsonObject:
    """What most models put into `resultJson`."""
    return {"resultUrls": addresses}


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model. `usual_s` is the time a task takes; `credits` its price in KIE credits."""

    fields: Mapping[str, Field]
    credits: Callable[[JsonObject], Decimal]
    makes: Callable[[JsonObject], list[Media]]
    usual_s: float
    rule: Callable[[JsonObject], str | None] = no_rule
    result: Callable[[list[str]], JsonObject] = result_urls

    def complaint(self, values: JsonObject) -> str | None:
        """What is wrong with an input, if anything."""
        return complaint(self.fields, values) or self.rule(values)


MEGAPIXEL = 1024 * 1024
AREA = {"1K": MEGAPIXEL, "2K": 4 * MEGAPIXEL, "3K": 9 * MEGAPIXEL, "4K": 16 * MEGAPIXEL}
SEEDREAM_SIZE = {"basic": "2K", "high": "3K", "ultra": "4K"}
PICTURE_S = 2.0


def picture(values: JsonObject, size: str, form: str = "png") -> list[Media]:
    """One picture of about the named size in the asked ratio; `auto` is square."""
    ratio = values.get("aspect_ratio") or "1:1"
    width, height = size_for("1:1" if ratio == "auto" else ratio, AREA[size])
    return [Picture(width, height, values["prompt"], "jpg" if form in ("jpg", "jpeg") else "png")]


def fixed(credits: str) -> Callable[[JsonObject], Decimal]:
    """The same price whatever is asked."""
    return lambda _: Decimal(credits)


def by(field: str, default: str, prices: Mapping[str, str]) -> Callable[[JsonObject], Decimal]:
    """A price by the value of one field."""
    return lambda values: Decimal(prices[values.get(field) or default])


# --- Z-Image -----------------------------------------------------------------------------------------------------

Z_IMAGE = Model(
    fields={
        "prompt": text(1000, required=True),
        "aspect_ratio": choice("1:1", "4:3", "3:4", "16:9", "9:16", required=True),
        "nsfw_checker": flag(),
    },
    credits=fixed("0.8"),
    makes=lambda values: picture(values, "1K"),
    usual_s=PICTURE_S,
)


def _seedream(**more: Field) -> Model:
    return Model(
        fields={
            "prompt": text(3000, least=3, required=True),
            "aspect_ratio": choice("1:1", "4:3", "3:4", "16:9", "9:16", "2:3", "3:2", "21:9", required=True),
            "quality": choice("basic", "high", "ultra", required=True),
            "output_format": choice("png", "jpeg"),
            "nsfw_checker": flag(),
            **more,
        },
        credits=fixed("5.5"),
        makes=lambda values: picture(values, SEEDREAM_SIZE[values["quality"]], values.get("output_format") or "png"),
        usual_s=PICTURE_S,
    )


NANO_BANANA = Model(
    fields={
        "prompt": text(20_000, required=True),
        "image_input": urls(14),
        "aspect_ratio": choice("auto", "1:1", "1:4", "1:8", "2:3", "3:2", "3:4", "4:1", "4:3", "4:5", "5:4", "8:1",
                               "9:16", "16:9", "21:9"),
        "resolution": choice("1K", "2K", "4K"),
        "output_format": choice("jpg", "png"),
        "google_search": flag(),
    },
    credits=by("resolution", "1K", {"1K": "8", "2K": "12", "4K": "18"}),
    makes=lambda values: picture(values, values.get("resolution") or "1K", values.get("output_format") or "jpg"),
    usual_s=PICTURE_S,
)


NOT_2K = {"5:4", "4:5", "3:1", "1:3", "9:21"}


def _gpt_image_rule(values: JsonObject) -> str | None:
    ratio, size = values.get("aspect_ratio") or "auto", values.get("resolution") or "1K"
    refused = {
        "1K": False,
        "2K": ratio == "auto" or ratio in NOT_2K,
        "4K": ratio in ("auto", "1:1") or ratio in NOT_2K,
    }
    return f"aspect_ratio {ratio} is not available at {size}" if refused[size] else None


def _gpt_image(**more: Field) -> Model:
    return Model(
        fields={
            "prompt": text(20_000, least=1, required=True),
            "aspect_ratio": choice("auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1",
                                   "1:2", "3:1", "1:3", "21:9", "9:21"),
            "resolution": choice("1K", "2K", "4K"),
            "background": choice("transparent", "opaque", "auto"),
            **more,
        },
        credits=by("resolution", "1K", {"1K": "6", "2K": "10", "4K": "16"}),
        makes=lambda values: picture(values, values.get("resolution") or "1K"),
        usual_s=PICTURE_S,
        rule=_gpt_image_rule,
    )


MODELS: Mapping[str, Model] = {
    "z-image": Z_IMAGE,
    "seedream/5-lite-text-to-image": _seedream(),
    "seedream/5-lite-image-to-image": _seedream(image_urls=urls(14, least=1, required=True)),
    "nano-banana-2": NANO_BANANA,
    "gpt-image-2-text-to-image": _gpt_image(),
    "gpt-image-2-image-to-image": _gpt_image(input_urls=urls(16, least=1, required=True)),
}

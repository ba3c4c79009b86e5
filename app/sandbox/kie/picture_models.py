"""Models that make still pictures (kie.md 2.1, 2.2, 2.3, 2.9)."""

from app.sandbox.kie.fields import Field, choice, flag, text, urls
from app.sandbox.kie.model import Model, by, fixed
from app.sandbox.media.specs import Media, Picture, size_for
from app.sandbox.tasks import JsonObject, Source

MEGAPIXEL = 1024 * 1024
AREA = {"1K": MEGAPIXEL, "2K": 4 * MEGAPIXEL, "3K": 9 * MEGAPIXEL, "4K": 16 * MEGAPIXEL}
SEEDREAM_SIZE = {"basic": "2K", "high": "3K", "ultra": "4K"}
USUAL_S = 2.0


def picture(values: JsonObject, source: Source, size: str, form: str = "png") -> list[Media]:
    """One picture of about the named size in the asked ratio; `auto` is the input's, or square."""
    ratio = values.get("aspect_ratio") or "auto"
    width, height = size_for((source.ratio or "1:1") if ratio == "auto" else ratio, AREA[size])
    return [Picture(width, height, values["prompt"], "jpg" if form in ("jpg", "jpeg") else "png")]


Z_IMAGE = Model(
    fields={
        "prompt": text(1000, required=True),
        "aspect_ratio": choice("1:1", "4:3", "3:4", "16:9", "9:16", required=True),
        "nsfw_checker": flag(),
    },
    credits=fixed("0.8"),
    makes=lambda values, source: picture(values, source, "1K"),
    usual_s=USUAL_S,
)


def seedream(**more: Field) -> Model:
    """Seedream 5.0 lite; `more` are the fields of one of its two ids."""
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
        makes=lambda values, source: picture(
            values, source, SEEDREAM_SIZE[values["quality"]], values.get("output_format") or "png"
        ),
        usual_s=USUAL_S,
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
    makes=lambda values, source: picture(
        values, source, values.get("resolution") or "1K", values.get("output_format") or "jpg"
    ),
    usual_s=USUAL_S,
)

NOT_ABOVE_1K = {"auto", "5:4", "4:5", "3:1", "1:3", "9:21"}


def _gpt_image_rule(values: JsonObject, _source: Source) -> str | None:
    ratio, size = values.get("aspect_ratio") or "auto", values.get("resolution") or "1K"
    refused = {"1K": False, "2K": ratio in NOT_ABOVE_1K, "4K": ratio in NOT_ABOVE_1K or ratio == "1:1"}
    return f"aspect_ratio {ratio} is not available at {size}" if refused[size] else None


def gpt_image(**more: Field) -> Model:
    """GPT Image 2; `more` are the fields of one of its two ids."""
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
        makes=lambda values, source: picture(values, source, values.get("resolution") or "1K"),
        usual_s=USUAL_S,
        rule=_gpt_image_rule,
    )


PICTURE_MODELS = {
    "z-image": Z_IMAGE,
    "seedream/5-lite-text-to-image": seedream(),
    "seedream/5-lite-image-to-image": seedream(image_urls=urls(14, least=1, required=True)),
    "nano-banana-2": NANO_BANANA,
    "gpt-image-2-text-to-image": gpt_image(),
    "gpt-image-2-image-to-image": gpt_image(input_urls=urls(16, least=1, required=True)),
}

"""Models that make films (kie.md 2.4 to 2.8, 2.11)."""

import hashlib
from decimal import Decimal

from app.sandbox.kie.fields import Field, choice, flag, number, strings, text, urls
from app.sandbox.kie.model import Model, by, fixed
from app.sandbox.media.specs import Clip, Media, frame_for
from app.sandbox.tasks import JsonObject, Source

USUAL_S = 4.0
SHORT_SIDE = {"480p": 480, "720p": 720, "1080p": 1080, "4k": 2160}


# --- Sora 2 (withdrawn upstream) ---------------------------------------------------------------------------------

SORA_RATIO = {"landscape": "16:9", "portrait": "9:16"}


def _sora_clips(values: JsonObject, _source: Source) -> list[Media]:
    """The film without and with the watermark."""
    ratio = SORA_RATIO[values.get("aspect_ratio") or "landscape"]
    clip = Clip(*frame_for(ratio, 720), seconds=int(values.get("n_frames") or "10"))
    return [clip, clip]


def _sora_result(addresses: list[str]) -> JsonObject:
    return {"resultUrls": addresses[:1], "resultWaterMarkUrls": addresses[1:]}


def sora(**more: Field) -> Model:
    """Sora 2; `more` are the fields of one of its two ids."""
    return Model(
        fields={
            "prompt": text(10_000, required=True),
            "aspect_ratio": choice("landscape", "portrait"),
            "n_frames": choice("10", "15"),
            "remove_watermark": flag(),
            "character_id_list": strings(5),
            **more,
        },
        credits=by("n_frames", "10", {"10": "30", "15": "35"}),
        makes=_sora_clips,
        result=_sora_result,
        usual_s=USUAL_S,
        has_progress=True,
    )


def _character_rule(_values: JsonObject, source: Source) -> str | None:
    if source.film_s is None or 1 <= source.film_s <= 4.05:
        return None
    return "character_file_url: the video must have 1 to 4 seconds"


def _character_result(addresses: list[str]) -> JsonObject:
    digest = hashlib.sha256("".join(addresses).encode()).hexdigest()
    return {"character_id": f"chr_{digest[:16]}"} if addresses else {}


SORA_CHARACTERS = Model(
    fields={
        "character_file_url": urls(1, least=1, required=True),
        "character_prompt": text(5000),
        "safety_instruction": text(5000),
    },
    credits=fixed("2"),
    # The file is not handed out; its address makes the character's id.
    makes=lambda _values, _source: [Clip(720, 720, seconds=2)],
    rule=_character_rule,
    result=_character_result,
    usual_s=USUAL_S,
)


# --- Seedance 1.5 Pro --------------------------------------------------------------------------------------------

SEEDANCE_PER_SECOND = {"480p": Decimal("1.75"), "720p": Decimal("3.5"), "1080p": Decimal("7.5")}


def _seedance_credits(values: JsonObject, _source: Source) -> Decimal:
    per_second = SEEDANCE_PER_SECOND[values.get("resolution") or "720p"]
    return per_second * Decimal(str(values["duration"])) * (2 if values.get("generate_audio") else 1)


def _seedance_clips(values: JsonObject, _source: Source) -> list[Media]:
    size = frame_for(values["aspect_ratio"], SHORT_SIDE[values.get("resolution") or "720p"])
    return [Clip(*size, seconds=values["duration"], has_sound=bool(values.get("generate_audio")))]


SEEDANCE = Model(
    fields={
        "prompt": text(20_000, least=3, required=True),
        "input_urls": urls(2),
        "aspect_ratio": choice("1:1", "4:3", "3:4", "16:9", "9:16", "21:9", required=True),
        "resolution": choice("480p", "720p", "1080p"),
        "duration": number(4, 12, required=True),
        "fixed_lens": flag(),
        "generate_audio": flag(),
        "nsfw_checker": flag(),
    },
    credits=_seedance_credits,
    makes=_seedance_clips,
    usual_s=USUAL_S,
)


# --- Kling 2.6 Motion Control ------------------------------------------------------------------------------------

KLING_PER_SECOND = {"720p": 11, "1080p": 18}
KLING_LONGEST_S = {"image": 10, "video": 30}
UNMEASURED_S = 5.0


def _kling_rule(_values: JsonObject, source: Source) -> str | None:
    if source.film_s is None or 3 <= source.film_s <= 30.05:
        return None
    return "video_urls: the video must have 3 to 30 seconds"


def _kling_seconds(values: JsonObject, source: Source) -> float:
    return min(source.film_s or UNMEASURED_S, KLING_LONGEST_S[values["character_orientation"]])


def _kling_credits(values: JsonObject, source: Source) -> Decimal:
    return KLING_PER_SECOND[values["mode"]] * Decimal(f"{_kling_seconds(values, source):.2f}")


def _kling_clips(values: JsonObject, source: Source) -> list[Media]:
    size = frame_for(source.ratio or "9:16", SHORT_SIDE[values["mode"]])
    return [Clip(*size, seconds=round(_kling_seconds(values, source), 2))]


KLING = Model(
    fields={
        "prompt": text(2500),
        "input_urls": urls(1, least=1, required=True),
        "video_urls": urls(1, least=1, required=True),
        "character_orientation": choice("image", "video", required=True),
        "mode": choice("720p", "1080p", required=True),
    },
    credits=_kling_credits,
    makes=_kling_clips,
    rule=_kling_rule,
    usual_s=USUAL_S,
)


# --- Veo 3.1 as a job --------------------------------------------------------------------------------------------

VEO_FAST = {"720p": "60", "1080p": "65", "4k": "180"}
VEO_IMAGES = {"TEXT_2_VIDEO": (0, 0), "FIRST_AND_LAST_FRAMES_2_VIDEO": (1, 2), "REFERENCE_2_VIDEO": (1, 3)}


def veo_clips(values: JsonObject, source: Source) -> list[Media]:
    """One film with sound; `Auto` follows the input's shape."""
    ratio = values.get("aspect_ratio") or "16:9"
    if ratio == "Auto":
        ratio = "9:16" if source.is_upright else "16:9"
    short_side = SHORT_SIDE[values.get("resolution") or "720p"]
    return [Clip(*frame_for(ratio, short_side), seconds=values.get("duration") or 8)]


def veo_rule(values: JsonObject, _source: Source) -> str | None:
    """Each way of generating takes its own number of images; references only in the longest film."""
    images = len(values.get("image_urls") or [])
    way = values.get("generation_type") or ("FIRST_AND_LAST_FRAMES_2_VIDEO" if images else "TEXT_2_VIDEO")
    least, most = VEO_IMAGES[way]
    if not least <= images <= most:
        return f"{way} takes {least} to {most} images"
    if way == "REFERENCE_2_VIDEO" and (values.get("duration") or 8) != 8:
        return "REFERENCE_2_VIDEO makes 8 seconds only"
    return None


VEO = Model(
    fields={
        "prompt": text(1_000_000, required=True),
        "image_urls": urls(3),
        "generation_type": choice(*VEO_IMAGES),
        "aspect_ratio": choice("16:9", "9:16", "Auto"),
        "resolution": choice(*VEO_FAST),
        "duration": choice(4, 6, 8),
        "enable_translation": flag(),
        "watermark": text(1_000),
    },
    credits=by("resolution", "720p", VEO_FAST),
    makes=veo_clips,
    rule=veo_rule,
    usual_s=USUAL_S,
)

FILM_MODELS = {
    "sora-2-text-to-video": sora(),
    "sora-2-image-to-video": sora(image_urls=urls(1, least=1, required=True)),
    "sora-2-characters": SORA_CHARACTERS,
    "bytedance/seedance-1.5-pro": SEEDANCE,
    "kling-2.6/motion-control": KLING,
    "veo-3-1": VEO,
}

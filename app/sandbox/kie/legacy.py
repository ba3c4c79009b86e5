"""The legacy forms of Veo and Suno: flat bodies, read as the input of the jobs form (kie.md 3.1, 4.1)."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from app.sandbox.kie.fields import choice
from app.sandbox.kie.film_models import VEO
from app.sandbox.kie.music_models import LEGACY_VERSIONS, music
from app.sandbox.tasks import JsonObject, Source

VEO_CREDITS = {
    "veo3": {"720p": "250", "1080p": "255", "4k": "370"},
    "veo3_fast": {"720p": "60", "1080p": "65", "4k": "180"},
    "veo3_lite": {"720p": "30", "1080p": "35", "4k": "150"},
}
VEO_DEFAULT = "veo3_fast"


def _veo_credits(values: JsonObject, _source: Source) -> Decimal:
    return Decimal(VEO_CREDITS[values.get("model") or VEO_DEFAULT][values.get("resolution") or "720p"])


def _veo_rule(values: JsonObject, source: Source) -> str | None:
    if values.get("generation_type") == "REFERENCE_2_VIDEO" and values.get("model") == "veo3":
        return "REFERENCE_2_VIDEO is for veo3_fast and veo3_lite only"
    return VEO.complaint(values, source)


VEO_LEGACY = replace(VEO, fields={"model": choice(*VEO_CREDITS)}, credits=_veo_credits, rule=_veo_rule)
SUNO_LEGACY = music(LEGACY_VERSIONS)

# Both spellings of the ratio are in use; which one the server reads is not known.
VEO_NAMES = {
    "imageUrls": "image_urls", "generationType": "generation_type", "aspectRatio": "aspect_ratio",
    "enableTranslation": "enable_translation",
}
SUNO_NAMES = {
    "customMode": "custom_mode", "negativeTags": "negative_tags", "vocalGender": "vocal_gender",
    "styleWeight": "style_weight", "weirdnessConstraint": "weirdness_constraint", "audioWeight": "audio_weight",
    "personaId": "persona_id", "personaModel": "persona_model",
}


def renamed(request: JsonObject, names: Mapping[str, str]) -> JsonObject:
    """A flat body with the jobs form's names."""
    return {names.get(name, name): value for name, value in request.items()}

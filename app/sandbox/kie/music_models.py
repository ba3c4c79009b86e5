"""Music (kie.md 4): one set of rules for the legacy route and the jobs form."""

from collections.abc import Mapping

from app.sandbox.kie.fields import Field, choice, flag, number, text
from app.sandbox.kie.model import Model, fixed
from app.sandbox.media.specs import Media, Track
from app.sandbox.tasks import JsonObject, Source

USUAL_S = 4.0
# Real tracks have minutes; these have the length that makes a first try pleasant, unless one is asked for.
TRACK_S = (20.0, 23.5)
LEGACY_VERSIONS = ("V3_5", "V4", "V4_5", "V4_5PLUS", "V4_5ALL", "V5", "V5_5")
JOB_VERSIONS = ("V4", "V4_5", "V4_5PLUS", "V4_5ALL", "V5", "V5_5", "V6", "V6_MINI", "V6_WILD")
CREDITS = "12"


def music_fields(versions: tuple[str, ...]) -> Mapping[str, Field]:
    """The fields, in the jobs form's spelling."""
    return {
        "custom_mode": flag(required=True),
        "instrumental": flag(required=True),
        "model": choice(*versions, required=True),
        "prompt": text(5000),
        "lyrics": text(5000),
        "style": text(1000),
        "title": text(80),
        "negative_tags": text(1000),
        "vocal_gender": choice("m", "f"),
        "style_weight": number(0, 1),
        "weirdness_constraint": number(0, 1),
        "audio_weight": number(0, 1),
        "persona_id": text(200),
        "persona_model": choice("style_persona", "voice_persona"),
        "duration": number(10, 360, whole=True),
    }


def music_rule(values: JsonObject, _source: Source) -> str | None:
    """What each mode requires, and how long the texts may be in it."""
    prompt = values.get("prompt") or values.get("lyrics") or ""
    if not values["custom_mode"]:
        if not prompt:
            return "prompt: This field is required"
        return "prompt: must have at most 500 characters" if len(prompt) > 500 else None
    required = ["style", "title"] + ([] if values["instrumental"] or prompt else ["prompt"])
    if missing := next((name for name in required if not values.get(name)), None):
        return f"{missing}: This field is required"
    most_prompt, most_style = (3000, 200) if values["model"] in ("V3_5", "V4") else (5000, 1000)
    if len(prompt) > most_prompt:
        return f"prompt: must have at most {most_prompt} characters"
    return f"style: must have at most {most_style} characters" if len(values["style"]) > most_style else None


def tracks(values: JsonObject, _source: Source) -> list[Media]:
    """Two tracks."""
    asked = values.get("duration")
    lengths = (asked, asked) if asked else TRACK_S
    return [Track(length, variation) for variation, length in enumerate(lengths)]


def music(versions: tuple[str, ...]) -> Model:
    """The model of one dialect."""
    return Model(
        fields=music_fields(versions),
        credits=fixed(CREDITS),
        makes=tracks,
        rule=music_rule,
        usual_s=USUAL_S,
    )


MUSIC_MODELS = {"ai-music-api/generate": music(JOB_VERSIONS)}

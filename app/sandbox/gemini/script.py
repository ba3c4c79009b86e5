"""What is to be spoken, by whom: a request of either dialect, in either spelling of its names."""

import re
from dataclasses import dataclass
from typing import Any

from app.sandbox.directives import without_directives
from app.sandbox.exchange import Refused
from app.sandbox.gemini.catalogue import DEFAULT_VOICE, VOICES, Model
from app.sandbox.tasks import JsonObject

CAPITAL = re.compile(r"(?<=[a-z0-9])([A-Z])")
SAMPLING = ("temperature", "top_p", "top_k")


@dataclass(frozen=True)
class Script:
    """The words to be spoken, one text for each turn, and the voice of each. `raw` holds the directives, too."""

    turns: tuple[tuple[str, str], ...]
    raw: str

    @property
    def text(self) -> str:
        return "\n".join(text for text, _ in self.turns)


def snake(value: Any) -> Any:
    """The same JSON with every name in snake case: the service takes both spellings, and even a mixture."""
    if isinstance(value, dict):
        return {CAPITAL.sub(r"_\1", name).lower(): snake(part) for name, part in value.items()}
    return [snake(part) for part in value] if isinstance(value, list) else value


def parts_of(body: JsonObject) -> list[JsonObject]:
    """All text parts. Raises Refused."""
    contents = body.get("contents")
    contents = [contents] if isinstance(contents, dict) else contents
    if not isinstance(contents, list) or not contents:
        raise Refused(400, "* GenerateContentRequest.contents: contents is not specified")
    parts = [part for content in contents if isinstance(content, dict) for part in content.get("parts") or []]
    if not parts or not all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in parts):
        raise Refused(400, "This model only supports text input.")
    return parts


def read(body: JsonObject, model: Model) -> Script:
    """The script of a request whose names are in snake case. Raises Refused."""
    parts = parts_of(body)
    config: JsonObject = body.get("generation_config") or {}
    if body.get("system_instruction"):
        raise Refused(400, "Developer instruction is not enabled for this model")
    modalities = [str(word).upper() for word in config.get("response_modalities") or ["TEXT"]]
    if modalities != ["AUDIO"]:
        asked = ", ".join(modalities)
        raise Refused(400, f"The requested combination of response modalities ({asked}) is not supported by the model.")
    if model.dialect >= 38 and any(name in config for name in SAMPLING):
        raise Refused(400, "Sampling parameters are not supported by this model")
    speech: JsonObject = config.get("speech_config") or {}
    if speech.get("voice_config") and speech.get("multi_speaker_voice_config"):
        raise Refused(400, "voice_config and multi_speaker_voice_config are mutually exclusive")
    raw = "\n".join(part["text"] for part in parts)
    speakers = _speakers(speech, model)
    turns = _turns(parts, speakers) if speakers else [(raw, _voice(speech.get("voice_config"), model))]
    return Script(tuple((without_directives(text), voice) for text, voice in turns), raw)


def _voice(config: Any, model: Model) -> str:
    if not config:
        return DEFAULT_VOICE
    name = config.get("voice") or (config.get("prebuilt_voice_config") or {}).get("voice_name") or DEFAULT_VOICE
    if found := VOICES.get(str(name).lower()):
        return found
    if model.dialect >= 38:
        raise Refused(400, f"No matching speaker voice found for name: {name}")
    raise Refused(400, f"Voice name {name} is not supported. Allowed voice names are: {', '.join(VOICES)}")


def _speakers(speech: JsonObject, model: Model) -> dict[str, str]:
    listed = (speech.get("multi_speaker_voice_config") or {}).get("speaker_voice_configs") or []
    if len(listed) > 2:
        raise Refused(400, "At most 2 speakers are supported")
    return {str(one.get("speaker")): _voice(one.get("voice_config"), model) for one in listed}


def _turns(parts: list[JsonObject], speakers: dict[str, str]) -> list[tuple[str, str]]:
    """Each turn with its speaker's voice: by the part's metadata, or by a `Name:` at the line's beginning."""
    turns, voice = [], next(iter(speakers.values()))
    for part in parts:
        named = (part.get("speech_metadata") or {}).get("speaker")
        for line in [part["text"]] if named else part["text"].splitlines():
            name, colon, rest = line.partition(":")
            said = named or (name.strip() if colon else "")
            voice = speakers.get(said, voice)
            turns.append((line if named or said not in speakers else rest.strip(), voice))
    return turns

"""Speech by Google's Gemini: `generateContent` with audio out, in both request dialects (upstreams/gemini-tts.md).

The answer is PCM or a whole WAV, told by its content, and comes out of here as PCM: 16-bit mono at 24 kHz.
"""

import asyncio
import base64
import binascii
import io
import re
import wave
from collections.abc import Mapping, Sequence
from datetime import date
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import orjson

from app.errors import Broken, ProviderError, Rejected, Throttled, Unclear
from app.providers.http import paid_call, read_limited
from app.providers.port import CallAnswer, JsonObject, ProviderKey

NAME = "Gemini"
# 655 seconds of speech, the most that a call makes, are 42 MB in base64; a call takes about half of what it speaks.
ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
TIMEOUT = httpx.Timeout(connect=10, read=300, write=60, pool=60)
PCM_RATE = 24_000
PCM_BYTES_PER_S = 2 * PCM_RATE
# Nobody speaks faster than this: less sound than that for its text was cut off (gemini-tts.md 11).
FASTEST_CHARACTERS_PER_S = 60
# Models before 3.8 take style as words before the text; from 3.8 on the text is spoken as it stands.
PREFIX_DIALECT = re.compile(r"gemini-(2\.|3\.[0-7]([.-]|$))")

# What the HTTP status of an answer means (gemini-tts.md 7). 500 says that no audio was made; it is billed at most.
STATUSES: dict[int, type[ProviderError]] = {
    400: Rejected, 404: Rejected, 413: Rejected, 422: Rejected, 500: Broken, 503: Throttled, 429: Throttled,
}
KEY_REST_S = 300.0

# Google's list: US dollars for a million tokens of text in and of sound out, by the day from which it holds
# (gemini-tts.md 13).
PRICES: Mapping[str, Sequence[tuple[date, str, str]]] = {
    "gemini-2.5-flash-preview-tts": ((date.min, "0.50", "10"),),
    "gemini-2.5-pro-preview-tts": ((date.min, "1", "20"),),
    "gemini-3.1-flash-tts-preview": ((date.min, "1", "20"),),
    "gemini-3.8-flash-tts": ((date.min, "0.50", "9"), (date(2027, 1, 1), "1", "18")),
    "gemini-3.8-flash-lite-tts": ((date.min, "0.50", "6"), (date(2027, 1, 1), "1", "12")),
}


def price_on(model: str, day: date) -> tuple[str, str] | None:
    """US dollars for a million tokens of text in, and of sound out; None for a model that is not in the list."""
    prices = [(text, sound) for since, text, sound in PRICES.get(model, ()) if since <= day]
    return prices[-1] if prices else None


class Gemini:
    """Speech calls with our keys. See `app.providers.port.CallProvider` for the promises."""

    name = "gemini"

    def __init__(self, client: httpx.AsyncClient, *, base_url: str, model: str, keys: tuple[ProviderKey, ...]) -> None:
        self._client = client
        self._base_url = base_url
        self._model = model
        self.keys = keys

    async def call(
        self, key: ProviderKey, ask: JsonObject, *, files: Mapping[str, Path], target: Path
    ) -> CallAnswer:
        """Speak `ask["text"]` in `ask["voice"]`, directed by `ask["style"]` if there is one; PCM goes to `target`.

        The output counts `prompt_tokens` and `audio_tokens`.
        """
        url = f"{self._base_url}/v1beta/models/{self._model}:generateContent"
        body = orjson.dumps(speech_body(self._model, str(ask["text"]), str(ask["voice"]), str(ask.get("style") or "")))
        headers = {"x-goog-api-key": key.secret, "Content-Type": "application/json"}
        with paid_call(NAME):
            async with self._client.stream("POST", url, headers=headers, content=body, timeout=TIMEOUT) as response:
                content = await read_limited(response, limit=ANSWER_LIMIT_BYTES)
        if response.status_code != HTTPStatus.OK:
            raise read_error(response.status_code, content)
        pcm, usage = read_speech(content)
        if len(pcm) < len(str(ask["text"])) * PCM_BYTES_PER_S / FASTEST_CHARACTERS_PER_S:
            raise Broken("The provider did not speak the whole text", detail=f"{len(pcm)} bytes", counted=usage)
        await asyncio.to_thread(target.write_bytes, pcm)
        return CallAnswer(usage, has_file=True)


def speech_body(model: str, text: str, voice: str, style: str) -> dict[str, Any]:
    """The request in the model's dialect."""
    if PREFIX_DIALECT.match(model):
        part: dict[str, Any] = {"text": f"{style}: {text}" if style else text}
        chosen: dict[str, Any] = {"prebuiltVoiceConfig": {"voiceName": voice}}
    else:
        part = {"text": text} | ({"speechMetadata": {"style": style}} if style else {})
        chosen = {"voice": voice}
    return {
        "contents": [{"role": "user", "parts": [part]}],
        "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": {"voiceConfig": chosen}},
    }


def read_error(status: int, content: bytes) -> ProviderError:
    """What an answer that is not 200 means."""
    try:
        parsed = orjson.loads(content)
    except orjson.JSONDecodeError:
        parsed = None
    body = parsed[0] if isinstance(parsed, list) and parsed else parsed
    error = body.get("error") if isinstance(body, dict) else None
    detail = f"HTTP {status}: {content[:500].decode(errors='replace')}"
    if not isinstance(error, dict):
        # A page of some machine between us: nobody knows what happened behind it.
        return Unclear("The provider's answer was lost", detail=detail)
    if status in (401, 403) or "API_KEY_INVALID" in detail:
        return Throttled("The provider is not available", retry_after_s=KEY_REST_S, detail=detail, is_about_key=True)
    kind = STATUSES.get(status)
    if kind is Throttled:
        return Throttled("The provider is busy", retry_after_s=_retry_delay(error), detail=detail)
    if kind is None:
        return Unclear("The provider's answer was lost", detail=detail)
    message = "The provider refused the text" if kind is Rejected else "The provider made no speech"
    return kind(message, detail=detail)


def _retry_delay(error: Mapping[str, Any]) -> float:
    for detail in error.get("details") or ():
        delay = detail.get("retryDelay") if isinstance(detail, dict) else None
        if isinstance(delay, str) and (match := re.fullmatch(r"(\d+(?:\.\d+)?)s", delay)):
            return min(float(match[1]), 120.0)
    return 10.0


def read_speech(content: bytes) -> tuple[bytes, dict[str, object]]:
    """PCM and token counts in an answer of 200. Raises Broken, with the counts, for all that is no speech.

    Such an answer is billed, too (gemini-tts.md 11 and 13).
    """
    try:
        answer = orjson.loads(content)
        candidate = (answer.get("candidates") or [{}])[0]
        parts = (candidate.get("content") or {}).get("parts") or []
        usage = answer.get("usageMetadata") or {}
        counts = {
            "prompt_tokens": int(usage.get("promptTokenCount") or 0),
            "audio_tokens": int(usage.get("candidatesTokenCount") or 0),
            "model": str(answer.get("modelVersion") or ""),
        }
    except (orjson.JSONDecodeError, AttributeError, TypeError, ValueError) as error:
        raise Unclear("The provider's answer was lost", detail=repr(error)) from error
    detail = f"finish {candidate.get('finishReason')}, feedback {answer.get('promptFeedback')}, usage {usage}"
    try:
        pcm = _sound_in(parts, candidate.get("finishReason"))
    except Broken as trouble:
        raise Broken(trouble.message, detail=trouble.detail or detail, counted=counts) from trouble
    if not counts["audio_tokens"]:
        # 25 tokens a second, the provider's own measure, where it did not count.
        counts["audio_tokens"] = len(pcm) // (PCM_BYTES_PER_S // 25)
    return pcm, counts


def _sound_in(parts: Sequence[Any], finish: object) -> bytes:
    blob = next((part["inlineData"] for part in parts if isinstance(part.get("inlineData"), dict)), None)
    if blob is None:
        if any(isinstance(part.get("text"), str) for part in parts):
            raise Broken("The model tried to generate text instead of speech")
        raise Broken("The provider made no speech")
    if finish != "STOP":
        raise Broken("The provider did not finish the speech")
    pcm = _pcm(blob)
    if not any(pcm):
        raise Broken("The provider made silence")
    return pcm


def _pcm(blob: Mapping[str, Any]) -> bytes:
    try:
        data = base64.b64decode(str(blob.get("data") or ""), validate=True)
    except binascii.Error as error:
        raise Broken("The provider's speech is damaged", detail=repr(error)) from error
    if not data.startswith(b"RIFF"):
        mime = str(blob.get("mimeType") or "")
        rate = re.search(r"rate=(\d+)", mime)
        channels = re.search(r"channels=(\d+)", mime)
        if (rate and int(rate[1]) != PCM_RATE) or (channels and int(channels[1]) != 1):
            raise Broken("The provider's speech has an unexpected format", detail=mime[:200])
        return data[: len(data) // 2 * 2]
    try:
        with wave.open(io.BytesIO(data)) as sound:
            shape = (sound.getnchannels(), sound.getsampwidth(), sound.getframerate())
            if shape != (1, 2, PCM_RATE):
                raise Broken("The provider's speech has an unexpected format", detail=str(shape))
            frames: bytes = sound.readframes(sound.getnframes())
            return frames
    except (wave.Error, EOFError) as error:
        raise Broken("The provider's speech is damaged", detail=repr(error)) from error


"""Transcripts by any host with the audio API of OpenAI; Together by default (upstreams/whisper-and-thai-subtitles.md).

Hosts differ in where words stand, how they write a duration and a language: all shapes come out of here as one.
"""

import asyncio
from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import httpx
import orjson

from app.errors import Broken, ProviderError, Rejected, Throttled, Unclear
from app.providers.http import paid_call, read_limited
from app.providers.port import CallAnswer, JsonObject, ProviderKey

NAME = "The Whisper host"
ANSWER_LIMIT_BYTES = 32 * 1024 * 1024
TIMEOUT = httpx.Timeout(connect=10, read=600, write=300, pool=60)
KEY_REST_S = 300.0

# What the HTTP status of an answer in the error form means (1.3 of the page); all else leaves the outcome unknown.
STATUSES: dict[int, type[ProviderError]] = {
    400: Rejected, 404: Rejected, 413: Rejected, 415: Rejected, 422: Rejected,
    401: Throttled, 403: Throttled, 429: Throttled, 503: Throttled, 500: Broken,
}

LANGUAGE_NAMES = {
    "thai": "th", "english": "en", "japanese": "ja", "chinese": "zh", "mandarin": "zh", "korean": "ko", "lao": "lo",
    "burmese": "my", "vietnamese": "vi", "indonesian": "id", "malay": "ms", "french": "fr", "german": "de",
    "spanish": "es", "portuguese": "pt", "russian": "ru", "arabic": "ar", "hindi": "hi", "italian": "it",
}


class Whisper:
    """Transcription calls with our keys. See `app.providers.port.CallProvider` for the promises."""

    name = "whisper"

    def __init__(self, client: httpx.AsyncClient, *, base_url: str, model: str, keys: tuple[ProviderKey, ...]) -> None:
        self._client = client
        self._base_url = base_url
        self._model = model
        self.keys = keys

    async def call(
        self, key: ProviderKey, ask: JsonObject, *, files: Mapping[str, Path], target: Path
    ) -> CallAnswer:
        """Transcribe `files["audio"]` (MP3) in `ask["language"]` (a code, or `auto`).

        The output holds `text`, `language` (a code or None), `duration` (seconds or None), and lists of `segments`
        {start, end, text} and `words` {start, end, text}; the words of Thai are fragments of some characters.
        """
        # The order of the form is that of the official clients: the model before the file.
        form = {
            "model": self._model,
            "response_format": "verbose_json",
            "language": str(ask["language"]),
            "timestamp_granularities[]": ["word", "segment"],
        }
        audio = await asyncio.to_thread(files["audio"].read_bytes)
        with paid_call(NAME):
            async with self._client.stream(
                "POST", f"{self._base_url}/audio/transcriptions",
                headers={"Authorization": f"Bearer {key.secret}"}, data=form,
                files={"file": ("audio.mp3", audio, "audio/mpeg")}, timeout=TIMEOUT,
            ) as response:
                content = await read_limited(response, limit=ANSWER_LIMIT_BYTES)
        if response.status_code != HTTPStatus.OK:
            raise read_error(response.status_code, content, response.headers.get("retry-after"))
        return CallAnswer(read_transcript(content), cost=read_cost(content))


def read_error(status: int, content: bytes, retry_after: str | None) -> ProviderError:
    """What an answer that is not 200 means."""
    detail = f"HTTP {status}: {content[:500].decode(errors='replace')}"
    kind = STATUSES.get(status)
    if kind is None or not isinstance(_object(content).get("error"), dict | str):
        return Unclear("The provider's answer was lost", detail=detail)
    if status in (401, 403):
        return Throttled("The provider is not available", retry_after_s=KEY_REST_S, detail=detail, is_about_key=True)
    if kind is Throttled:
        wait = float(retry_after) if retry_after is not None and retry_after.isdigit() else 10.0
        return Throttled("The provider is busy", retry_after_s=min(wait, 120.0), detail=detail)
    message = "The provider refused the sound" if kind is Rejected else "The provider could not read the sound"
    return kind(message, detail=detail)


def read_transcript(content: bytes) -> dict[str, Any]:
    """One shape out of all (rules of section 6 of the page). Raises Unclear for what is no transcript."""
    answer = _object(content)
    if not isinstance(answer.get("text"), str):
        raise Unclear("The provider's answer was lost", detail=content[:500].decode(errors="replace"))
    listed = [segment for segment in answer.get("segments") or () if isinstance(segment, dict)]
    nested = [word for segment in listed for word in segment.get("words") or ()]
    segments = _timed(listed, name="text")
    duration = _number(answer.get("duration"))
    if duration is None and segments:
        duration = max(segment["end"] for segment in segments)
    language = answer.get("language")
    code = str(language).lower() if isinstance(language, str) else None
    return {
        "text": answer["text"].strip(),
        "language": LANGUAGE_NAMES.get(code or "", code),
        "duration": duration,
        "segments": segments,
        "words": _timed(answer.get("words") or nested, name="word"),
    }


def read_cost(content: bytes) -> Decimal | None:
    """What the call cost, where the host says so."""
    usage = _object(content).get("usage")
    cost = usage.get("cost") if isinstance(usage, dict) else None
    return Decimal(str(cost)) if isinstance(cost, int | float) else None


def _timed(items: object, *, name: str) -> list[dict[str, Any]]:
    found = []
    for item in items if isinstance(items, list) else []:
        if not isinstance(item, dict):
            continue
        start, end = _number(item.get("start")), _number(item.get("end"))
        text = str(item.get(name) or "").strip().replace("\ufffd", "")
        if text and start is not None and end is not None:
            found.append({"start": max(0.0, start), "end": max(0.0, start, end), "text": text})
    return sorted(found, key=lambda item: item["start"])


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = orjson.loads(content)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}

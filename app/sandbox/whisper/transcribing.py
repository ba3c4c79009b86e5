"""`POST /audio/transcriptions`."""

import asyncio
import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException

from app.sandbox.exchange import Call, Refused
from app.sandbox.measuring import film_seconds
from app.sandbox.records import Charge
from app.sandbox.tasks import JsonObject
from app.sandbox.whisper.hearing import hear
from app.sandbox.whisper.shapes import SHAPES, Heard
from app.sandbox.whisper.wire import PROVIDER, authorize

MODELS = ("openai/whisper-large-v3", "nvidia/parakeet-tdt-0.6b-v3")
ENDINGS = frozenset({".wav", ".mp3", ".m4a", ".webm", ".flac", ".ogg", ".opus", ".aac"})
UPLOAD_LIMIT = 80 * 1024 * 1024
LONGEST_S = 4 * 3600
DOLLARS_PER_MINUTE = Decimal("0.0015")
WORK_S = 0.5


async def transcribe(call: Call) -> JsonObject:
    """What was said. Directives may stand in `prompt`."""
    authorize(call)
    try:
        async with call.request.form() as form:
            return await _transcribe(call, form)
    except MultiPartException:
        raise Refused(400, "The form cannot be read") from None


async def _transcribe(call: Call, form: FormData) -> JsonObject:
    call.model = _text(form, "model")
    asked = call.obey(_text(form, "prompt"))
    if call.model not in MODELS:
        raise Refused(400, f"Unable to access non-serverless model {call.model}", detail={"param": "model"})
    wanted = _text(form, "response_format") or "json"
    if wanted not in ("json", "verbose_json"):
        raise Refused(400, "response_format must be json or verbose_json", detail={"param": "response_format"})
    seconds = await _seconds(form.get("file"))
    slow_s = WORK_S * call.world.config.time_scale if asked.slow is None else asked.slow
    await asyncio.sleep(slow_s)
    if asked.fail:
        raise Refused(500, "The audio could not be processed")
    _charge(call, seconds)
    language = _text(form, "language") or "en"
    language = "th" if language == "auto" else language
    # The name counts: without its brackets real servers ignore the field.
    granularities = [str(value) for value in form.getlist("timestamp_granularities[]")]
    heard = Heard(hear(seconds, language), round(seconds, 2), language, "word" in granularities)
    return SHAPES[asked.shape or "together"](heard) if wanted == "verbose_json" else {"text": heard.text}


def _text(form: FormData, name: str) -> str:
    value = form.get(name)
    return value if isinstance(value, str) else ""


async def _seconds(file: Any) -> float:
    """The real length of the sound. Raises Refused. An address in the place of a file is not fetched."""
    if not isinstance(file, UploadFile):
        raise Refused(400, "file: an uploaded file is required", detail={"param": "file"})
    ending = Path(file.filename or "").suffix.lower()
    if ending not in ENDINGS:
        problem = {"type": "unsupported_format", "param": "file"}
        raise Refused(400, f"Unsupported audio format {ending or '(none)'}", detail=problem)
    content = await file.read()
    if len(content) > UPLOAD_LIMIT:
        raise Refused(413, "The upload is larger than 80 MB", detail={"param": "file"})
    seconds = await asyncio.to_thread(_measured, content, ending)
    if seconds is None:
        raise Refused(500, "The audio could not be decoded")
    if seconds > LONGEST_S:
        problem = {"type": "audio_too_long", "param": "file"}
        raise Refused(400, "Audio is longer than the maximum of 4 hours", detail=problem)
    return seconds


def _measured(content: bytes, ending: str) -> float | None:
    with tempfile.NamedTemporaryFile(suffix=ending) as copy:
        copy.write(content)
        copy.flush()
        return film_seconds(Path(copy.name))


def _charge(call: Call, seconds: float) -> None:
    call.task_id = uuid4().hex
    asked = call.directives.cost
    cost = DOLLARS_PER_MINUTE * Decimal(f"{seconds:.3f}") / 60 if asked is None else asked
    call.world.books.charge(Charge(call.task_id, PROVIDER, call.model, call.key, call.world.now(), cost))


async def models(call: Call) -> list[JsonObject]:
    """The models, as a bare list."""
    authorize(call)
    call.obey()
    price = {"transcribe": {"price_per_minute": float(DOLLARS_PER_MINUTE)}}
    return [{"id": name, "object": "model", "type": "transcribe", "pricing": price} for name in MODELS]

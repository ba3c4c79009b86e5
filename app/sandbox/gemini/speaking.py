"""`generateContent`, `streamGenerateContent` and `countTokens` of a speech model."""

import asyncio
import base64
from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import orjson
from starlette.responses import Response

from app.sandbox import tokens as text_tokens
from app.sandbox.directives import Directives
from app.sandbox.exchange import Call, Refused
from app.sandbox.gemini.catalogue import INPUT_LIMIT, MODELS, OUTPUT_LIMIT, Model
from app.sandbox.gemini.script import Script, parts_of, read, snake
from app.sandbox.gemini.wire import PROVIDER, authorize
from app.sandbox.media import speech
from app.sandbox.records import Charge
from app.sandbox.replies import EventStream, json_reply
from app.sandbox.tasks import JsonObject

WORK_S = 0.5
CHUNK_TOKENS = 10


@dataclass(frozen=True)
class Take:
    """One clip: what was asked, and the audio that came of it."""

    call: Call
    model: Model
    audio: bytes
    prompt_tokens: int
    audio_tokens: int

    @property
    def directives(self) -> Directives:
        return self.call.directives

    def usage(self) -> JsonObject:
        """Tokens by modality."""
        return {
            "promptTokenCount": self.prompt_tokens,
            "candidatesTokenCount": self.audio_tokens,
            "totalTokenCount": self.prompt_tokens + self.audio_tokens,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": self.prompt_tokens}],
            "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": self.audio_tokens}],
        }

    def answer(self, candidate: JsonObject | None, *, is_last: bool = True) -> JsonObject:
        """A response object, with usage in the last one."""
        end = {"usageMetadata": self.usage()} if is_last else {}
        candidates = {"candidates": [candidate | {"index": 0}]} if candidate is not None else {}
        return {**candidates, **end, "modelVersion": self.call.model, "responseId": self.call.task_id}


async def call_model(call: Call) -> Response:
    """The method behind the colon."""
    authorize(call)
    call.model, _, method = call.request.path_params["call"].partition(":")
    call.route = call.route.replace("{call}", f":{method}")
    handler = {"generateContent": generate, "streamGenerateContent": stream, "countTokens": count}.get(method)
    body = call.json()
    if not isinstance(body, dict):
        raise Refused(400, "The request body must be a JSON object")
    body = snake(body)
    if handler is None or call.model not in MODELS:
        call.obey()
        message = f"models/{call.model} is not found for API version v1beta, or is not supported for {method}."
        raise Refused(404, message)
    return await handler(call, body)


async def count(call: Call, body: JsonObject) -> Response:
    """How many tokens the text has."""
    parts = parts_of(body)
    call.obey()
    return json_reply({"totalTokens": sum(text_tokens.count(part["text"]) for part in parts)})


async def generate(call: Call, body: JsonObject) -> Response:
    """The whole clip in one answer, sent when it is finished."""
    take = await _take(call, body)
    await asyncio.sleep(_work_s(call))
    return json_reply(_whole(take))


async def stream(call: Call, body: JsonObject) -> Response:
    """The clip in pieces; a model that cannot stream sends one."""
    take = await _take(call, body)
    return EventStream(_frames(take), lambda _: None, {})


async def _take(call: Call, body: JsonObject) -> Take:
    model = MODELS[call.model]
    script = read(body, model)
    call.text = script.turns[0][0]
    asked = call.obey(script.raw)
    prompt_tokens = text_tokens.count(script.text)
    if prompt_tokens > INPUT_LIMIT:
        raise Refused(400, f"The input token count exceeds the maximum number of tokens allowed {INPUT_LIMIT}.")
    if asked.fail:
        await asyncio.sleep(_work_s(call))
        raise Refused(500, "An internal error has occurred. Please retry or report in "
                           "https://developers.generativeai.google/guide/troubleshooting")
    audio = await asyncio.to_thread(_speak, script, asked)
    call.task_id = uuid4().hex
    audio_tokens = len(audio) // speech.TOKEN_BYTES
    cost = (model.text_in * prompt_tokens + model.audio_out * audio_tokens) / 1_000_000
    charge = Charge(call.task_id, PROVIDER, call.model, call.key, call.world.now(),
                    cost if asked.cost is None else asked.cost, call.text)
    call.world.books.charge(charge)
    return Take(call, model, audio, prompt_tokens, audio_tokens)


def _speak(script: Script, asked: Directives) -> bytes:
    audio = b"".join(speech.speak(text, voice, speech.tokens_of(text)) for text, voice in script.turns)
    audio = audio[: OUTPUT_LIMIT * speech.TOKEN_BYTES]
    return bytes(len(audio)) if asked.silent else audio


def _work_s(call: Call) -> float:
    asked = call.directives.slow
    return WORK_S * call.world.config.time_scale if asked is None else asked


def _whole(take: Take) -> JsonObject:
    asked = take.directives
    if asked.blocked:
        return take.answer(None) | {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}
    if asked.no_file:
        return take.answer({"content": {}, "finishReason": "OTHER"})
    if asked.wrong_file:
        text = {"text": "I cannot speak, but I can write this."}
        return take.answer({"content": {"role": "model", "parts": [text]}, "finishReason": "STOP"})
    audio = take.audio[: len(take.audio) // 4 * 2] if asked.cut_file else take.audio
    audio, mime = (speech.wav(audio), "audio/wav") if take.model.makes_wav else (audio, take.model.mime)
    return take.answer(_candidate(audio, mime, "STOP"))


def _candidate(audio: bytes, mime: str, finish: str | None) -> JsonObject:
    part = {"inlineData": {"mimeType": mime, "data": base64.b64encode(audio).decode()}}
    end = {"finishReason": finish} if finish else {}
    return {"content": {"role": "model", "parts": [part]}, **end}


async def _frames(take: Take) -> AsyncIterator[bytes]:
    asked = take.directives
    await asyncio.sleep(_work_s(take.call))
    size = CHUNK_TOKENS * speech.TOKEN_BYTES if take.model.streams else len(take.audio)
    audio = take.audio[: len(take.audio) // 4 * 2] if asked.cut_file else take.audio
    for start in range(0, len(audio), size):
        is_last = start + size >= len(audio)
        # Cut audio ends with OTHER on the streaming route, as 3.1 does after a minute.
        finish = ("OTHER" if asked.cut_file else "STOP") if is_last else None
        candidate = _candidate(audio[start : start + size], take.model.mime, finish)
        await asyncio.sleep(0)
        yield b"data: " + orjson.dumps(take.answer(candidate, is_last=is_last)) + b"\n\n"

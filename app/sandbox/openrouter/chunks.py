"""An answer as server-sent events, well-behaved or not."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson

from app.sandbox.openrouter.answering import Citation, ToolCall
from app.sandbox.openrouter.generating import BROKEN, Progress, Run
from app.sandbox.openrouter.wire import error
from app.sandbox.replies import EventStream
from app.sandbox.tasks import JsonObject

COMMENT = b": OPENROUTER PROCESSING\n\n"
DONE = b"data: [DONE]\n\n"
COMMENT_EVERY_S = 1.0
CHUNK_TOKENS = 3
NATIVE = {
    "Google AI Studio": {"stop": "STOP", "length": "MAX_TOKENS"},
    "OpenAI": {"stop": "completed", "length": "max_output_tokens"},
}


async def frames(run: Run, progress: Progress) -> AsyncIterator[bytes]:
    """All frames of the answer; `progress` follows them."""
    run.call.world.open_streams.add(run.id)
    yield COMMENT
    async for comment in keep_alive(run.first_token_s):
        yield comment
    stalled = run.directives.stall is None
    for delta, tokens in _deltas(run):
        if not stalled and progress.produced * 2 >= run.answer.tokens:
            stalled = True
            await asyncio.sleep(run.directives.stall or 0)
        # At least one turn of the loop, so that a client that hung up is noticed.
        await asyncio.sleep(tokens * run.token_s)
        progress.produced += tokens
        for piece in _split(_frame(_chunk(run, delta))):
            yield piece
    async for frame in _end(run, progress):
        yield frame


async def _end(run: Run, progress: Progress) -> AsyncIterator[bytes]:
    asked = run.directives
    if asked.cut_stream is not None:
        yield _half(_frame(_chunk(run, {"content": "ก"})))
        yield EventStream.BREAK
        return
    if asked.break_stream is not None:
        progress.ended = "error"
        yield _frame(_error_chunk(run))
        return
    progress.ended = run.answer.finish_reason
    found = [annotation(citation) for citation in run.answer.citations]
    delta = {"role": "assistant", "content": "", **({"annotations": found} if found else {})}
    final = _frame(_chunk(run, delta, run.answer.finish_reason))
    yield final[: len(final) // 2] + b"\n\n" if asked.bad_json else final
    if asked.usage != "none":
        yield _frame(_usage_chunk(run))
    if not asked.no_done:
        yield DONE


async def keep_alive(seconds: float) -> AsyncIterator[bytes]:
    """A comment a second until the time is over."""
    for _ in range(int(seconds / COMMENT_EVERY_S)):
        await asyncio.sleep(COMMENT_EVERY_S)
        yield COMMENT
    await asyncio.sleep(seconds % COMMENT_EVERY_S)


def _deltas(run: Run) -> Iterator[tuple[JsonObject, int]]:
    """The deltas in order, each with the tokens it stands for."""
    asked = run.directives
    stop = asked.break_stream if asked.cut_stream is None else asked.cut_stream
    for reasoning in _groups(run.answer.reasoning):
        shown = {"reasoning": "".join(reasoning)} if run.shows_reasoning else {}
        yield {"role": "assistant", "content": "", **shown}, len(reasoning)
    for text in _groups(run.answer.text[:stop]):
        yield {"role": "assistant", "content": "".join(text)}, len(text)
    billed = run.answer.tokens - len(run.answer.reasoning) - len(run.answer.text)
    for index, call in enumerate(run.answer.tool_calls):
        whole = tool_call(call, index)
        named = {**whole, "function": {"name": call.name, "arguments": ""}}
        yield {"role": "assistant", "content": None, "tool_calls": [named]}, 0
        half = len(call.arguments) // 2
        yield {"tool_calls": [{"index": index, "function": {"arguments": call.arguments[:half]}}]}, 0
        rest = {"index": index, "function": {"arguments": call.arguments[half:]}}
        yield {"tool_calls": [rest]}, billed if index == len(run.answer.tool_calls) - 1 else 0


def _groups(tokens: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    return (tokens[start : start + CHUNK_TOKENS] for start in range(0, len(tokens), CHUNK_TOKENS))


def tool_call(call: ToolCall, index: int) -> JsonObject:
    """A whole tool call."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"index": index, "id": call.id, "type": "function", "function": function}


def annotation(citation: Citation) -> JsonObject:
    """A citation as chat shows it."""
    return {"type": "url_citation", "url_citation": flat_citation(citation)}


def flat_citation(citation: Citation) -> JsonObject:
    """Its fields alone."""
    return {
        "url": citation.url,
        "title": citation.title,
        "content": citation.content,
        "start_index": citation.start,
        "end_index": citation.end,
    }


def head(run: Run, kind: str) -> JsonObject:
    """What the answer and each of its chunks begin with."""
    return {
        "id": run.id,
        "provider": run.model.provider,
        "model": run.asked_model,
        "object": kind,
        "created": int(run.created),
    }


def ending(run: Run, finish: str | None) -> JsonObject:
    """The reason in OpenRouter's word and in the provider's own."""
    native = NATIVE.get(run.model.provider, {}).get(finish or "", finish)
    return {"finish_reason": finish, "native_finish_reason": native}


def _chunk(run: Run, delta: JsonObject, finish: str | None = None) -> JsonObject:
    choice: dict[str, Any] = {"index": 0, "delta": delta, **ending(run, finish), "logprobs": None}
    return {**head(run, "chat.completion.chunk"), "choices": [choice]}


def _usage_chunk(run: Run) -> JsonObject:
    chunk = _chunk(run, {"role": "assistant", "content": ""}) | {"usage": run.usage()}
    return chunk | {"choices": []} if run.directives.usage == "empty" else chunk


def _error_chunk(run: Run) -> JsonObject:
    # OpenRouter's pages disagree on the type of `code`; its OpenAI models show the string.
    problem = error(502, BROKEN) | ({"code": "server_error"} if run.model.provider == "OpenAI" else {})
    return _chunk(run, {"content": ""}, "error") | {"error": problem}


def _frame(chunk: JsonObject) -> bytes:
    return b"data: " + orjson.dumps(chunk, default=float) + b"\n\n"


def _split(frame: bytes) -> Iterator[bytes]:
    """The frame as the network brings it: cut inside its first character of several bytes, if there is one."""
    if frame.isascii():
        yield frame
        return
    first = next(place for place, byte in enumerate(frame) if byte >= 0x80)
    yield frame[: first + 1]
    yield frame[first + 1 :]


def _half(frame: bytes) -> bytes:
    return next(_split(frame))

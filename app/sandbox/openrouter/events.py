"""A response as an object and as typed events, named as in the OpenAPI file."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import orjson

from app.sandbox.openrouter.answering import ToolCall
from app.sandbox.openrouter.chunks import CHUNK_TOKENS, COMMENT, flat_citation, keep_alive
from app.sandbox.openrouter.generating import BROKEN, Progress, Run
from app.sandbox.replies import EventStream
from app.sandbox.tasks import JsonObject


def whole(run: Run, status: str | None = None) -> JsonObject:
    """The response object; without a status, as it is in the end."""
    cut = run.answer.finish_reason == "length"
    status = status or ("incomplete" if cut else "completed")
    ended = status in ("completed", "incomplete")
    return {
        "id": f"resp_{run.id.removeprefix('gen-')}",
        "object": "response",
        "created_at": int(run.created),
        "completed_at": int(run.call.world.now()) if ended else None,
        "model": run.asked_model,
        "status": status,
        "error": {"code": "server_error", "message": BROKEN} if status == "failed" else None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "output": _output(run, status) if ended else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": _usage(run) if ended and run.directives.usage != "none" else None,
    }


def _output(run: Run, status: str) -> list[JsonObject]:
    if run.answer.tool_calls:
        return [_function_call(call, "completed") for call in run.answer.tool_calls]
    return [_message(run, status, [_part(run, "".join(run.answer.text))])]


def _message(run: Run, status: str, content: list[JsonObject]) -> JsonObject:
    return {"type": "message", "id": f"msg_{run.id}", "role": "assistant", "status": status, "content": content}


def _part(run: Run, text: str) -> JsonObject:
    """A text with its citations, which are flat here."""
    found = [{"type": "url_citation", **flat_citation(citation)} for citation in run.answer.citations] if text else []
    return {"type": "output_text", "text": text, "annotations": found}


def _function_call(call: ToolCall, status: str) -> JsonObject:
    return {
        "type": "function_call",
        "id": f"fc_{call.id}",
        "call_id": call.id,
        "name": call.name,
        "arguments": call.arguments if status == "completed" else "",
        "status": status,
    }


def _usage(run: Run) -> JsonObject:
    usage = run.usage()
    return {
        "input_tokens": usage["prompt_tokens"],
        "output_tokens": usage["completion_tokens"],
        "total_tokens": usage["total_tokens"],
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens_details": usage["completion_tokens_details"],
        "cost": usage["cost"],
        "cost_details": usage["cost_details"],
        **{name: usage[name] for name in ("server_tool_use_details",) if name in usage},
    }


@dataclass(frozen=True)
class Event:
    """One event, and the tokens that it brings."""

    type: str
    fields: dict[str, Any]
    tokens: int = 0


async def frames(run: Run, progress: Progress) -> AsyncIterator[bytes]:
    """All events; `progress` follows them."""
    asked = run.directives
    run.call.world.open_streams.add(run.id)
    yield COMMENT
    async for comment in keep_alive(run.first_token_s):
        yield comment
    numbers = count()
    for event in _events(run):
        await asyncio.sleep(event.tokens * run.token_s)
        progress.produced += event.tokens
        frame = _frame(event, next(numbers))
        if event.type == "response.output_text.done" and asked.cut_stream is not None:
            yield frame[: len(frame) // 2]
            yield EventStream.BREAK
            return
        if event.type == "response.output_text.done" and asked.break_stream is not None:
            progress.ended = "error"
            yield _frame(Event("response.failed", {"response": whole(run, "failed")}), next(numbers))
            return
        yield frame
    progress.ended = run.answer.finish_reason
    if not asked.no_done:
        response = whole(run)
        yield _frame(Event(f"response.{response['status']}", {"response": response}), next(numbers))


def _events(run: Run) -> Iterator[Event]:
    """Everything but the last event."""
    for status in ("created", "in_progress"):
        yield Event(f"response.{status}", {"response": whole(run, "in_progress")})
    if run.answer.tool_calls:
        yield from _tool_events(run)
    else:
        yield from _text_events(run)


def _text_events(run: Run) -> Iterator[Event]:
    asked = run.directives
    text = run.answer.text[: asked.break_stream if asked.cut_stream is None else asked.cut_stream]
    place = {"output_index": 0, "content_index": 0, "item_id": f"msg_{run.id}"}
    part = _part(run, "".join(text))
    reasoned = len(run.answer.reasoning)
    yield Event("response.output_item.added", {"output_index": 0, "item": _message(run, "in_progress", [])}, reasoned)
    yield Event("response.content_part.added", place | {"part": _part(run, "")})
    for start in range(0, len(text), CHUNK_TOKENS):
        piece = text[start : start + CHUNK_TOKENS]
        yield Event("response.output_text.delta", place | {"delta": "".join(piece), "logprobs": []}, len(piece))
    yield Event("response.output_text.done", place | {"text": part["text"], "logprobs": []})
    for number, found in enumerate(part["annotations"]):
        fields = place | {"annotation_index": number, "annotation": found}
        yield Event("response.output_text.annotation.added", fields)
    yield Event("response.content_part.done", place | {"part": part})
    yield Event("response.output_item.done", {"output_index": 0, "item": _message(run, "completed", [part])})


def _tool_events(run: Run) -> Iterator[Event]:
    for index, call in enumerate(run.answer.tool_calls):
        place = {"output_index": index, "item_id": f"fc_{call.id}"}
        billed = run.answer.tokens if index == 0 else 0
        yield Event("response.output_item.added", {"output_index": index, "item": _function_call(call, "in_progress")})
        yield Event("response.function_call_arguments.delta", place | {"delta": call.arguments}, billed)
        yield Event("response.function_call_arguments.done", place | {"arguments": call.arguments, "name": call.name})
        yield Event("response.output_item.done", {"output_index": index, "item": _function_call(call, "completed")})


def _frame(event: Event, number: int) -> bytes:
    data = {"type": event.type, "sequence_number": number, **event.fields}
    return f"event: {event.type}\ndata: ".encode() + orjson.dumps(data, default=float) + b"\n\n"

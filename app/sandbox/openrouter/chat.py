"""`POST /chat/completions`, whole or streamed."""

import asyncio
from typing import Any

from starlette.responses import Response

from app.sandbox.exchange import Call, Refused
from app.sandbox.openrouter import chunks
from app.sandbox.openrouter.conversation import read
from app.sandbox.openrouter.generating import BROKEN, Progress, Run, begin, open_request
from app.sandbox.openrouter.wire import error
from app.sandbox.replies import EventStream, json_reply


async def complete(call: Call) -> Response:
    """One answer. A model that fails before its first token is an ordinary error, streamed or not."""
    run = begin(call, open_request(call), read)
    if call.directives.fail:
        await asyncio.sleep(run.first_token_s)
        run.end(produced=0, finish_reason="error")
        raise Refused(502, BROKEN)
    headers = {"x-generation-id": run.id}
    if not run.streamed:
        await asyncio.sleep(run.first_token_s + run.answer.tokens * run.token_s)
        return json_reply(_whole(run), headers=headers)
    progress = Progress()
    return EventStream(chunks.frames(run, progress), lambda hung_up: run.settle(progress, hung_up), headers)


def _whole(run: Run) -> dict[str, Any]:
    stop = run.directives.break_stream
    message: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(run.answer.text[:stop]),
        "refusal": None,
        "reasoning": "".join(run.answer.reasoning) if run.shows_reasoning else None,
    }
    if run.answer.citations:
        message["annotations"] = [chunks.annotation(citation) for citation in run.answer.citations]
    if run.answer.tool_calls:
        calls = [chunks.tool_call(call, index) for index, call in enumerate(run.answer.tool_calls)]
        message |= {"content": None, "tool_calls": calls}
    finish = run.answer.finish_reason if stop is None else "error"
    choice = {"index": 0, "logprobs": None, "message": message, **chunks.ending(run, finish)}
    if stop is not None:
        choice["error"] = error(502, BROKEN)
    run.end(produced=run.answer.tokens if stop is None else stop, finish_reason=finish)
    head = chunks.head(run, "chat.completion")
    return {**head, "system_fingerprint": None, "choices": [choice], "usage": run.usage()}

"""`POST /responses`, whole or streamed; nothing is stored."""

import asyncio
from typing import Any

from starlette.responses import Response

from app.sandbox.exchange import Call, Refused
from app.sandbox.openrouter import events
from app.sandbox.openrouter.conversation import Conversation
from app.sandbox.openrouter.conversation import read as read_chat
from app.sandbox.openrouter.generating import BROKEN, Progress, begin, open_request
from app.sandbox.replies import EventStream, json_reply
from app.sandbox.tasks import JsonObject


async def respond(call: Call) -> Response:
    """One response."""
    body = open_request(call)
    run = begin(call, body, read)
    if call.directives.fail:
        await asyncio.sleep(run.first_token_s)
        run.end(produced=0, finish_reason="error")
        raise Refused(502, BROKEN)
    headers = {"x-generation-id": run.id}
    if not run.streamed:
        await asyncio.sleep(run.first_token_s + run.answer.tokens * run.token_s)
        broken = call.directives.break_stream is not None
        run.end(produced=run.answer.tokens, finish_reason="error" if broken else run.answer.finish_reason)
        return json_reply(events.whole(run, "failed" if broken else None), headers=headers)
    progress = Progress()
    return EventStream(events.frames(run, progress), lambda hung_up: run.settle(progress, hung_up), headers)


def read(body: JsonObject) -> Conversation:
    """The request as a conversation. Raises Refused."""
    if body.get("store") is True or body.get("previous_response_id") is not None:
        raise Refused(400, "Responses are not stored: store and previous_response_id are not supported")
    given = body.get("input")
    items = [{"role": "user", "content": given}] if isinstance(given, str) and given else given
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise Refused(400, "input must be a text or a list of items")
    instructions = [{"role": "system", "content": body["instructions"]}] if body.get("instructions") else []
    return read_chat(
        {
            "model": body.get("model"),
            "messages": [*instructions, *(_message(item) for item in items)],
            "tools": [_tool(tool) for tool in body.get("tools") or [] if isinstance(tool, dict)],
            "plugins": body.get("plugins"),
            "tool_choice": body.get("tool_choice", "auto"),
            "response_format": _format(body.get("text")),
            "max_tokens": body.get("max_output_tokens"),
            "reasoning": body.get("reasoning"),
        }
    )


def _message(item: JsonObject) -> JsonObject:
    match item.get("type", "message"):
        case "function_call":
            return {"role": "assistant", "content": f"{item.get('name')}({item.get('arguments')})"}
        case "function_call_output":
            return {"role": "tool", "content": str(item.get("output", ""))}
        case _:
            return {"role": item.get("role"), "content": item.get("content")}


def _tool(tool: JsonObject) -> JsonObject:
    """A tool in chat's form: there, a function's name and parameters stand one level deeper."""
    return {"type": "function", "function": tool} if tool.get("type") == "function" and "function" not in tool else tool


def _format(text: Any) -> JsonObject:
    """`text.format` in the form of chat's `response_format`."""
    wanted = text.get("format") if isinstance(text, dict) else None
    if not isinstance(wanted, dict):
        return {}
    return {"type": wanted.get("type"), "json_schema": {"schema": wanted.get("schema")}}

"""Clients that call a language model: whole or streamed, and some who hang up in the middle."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import orjson

from app.torture.asking import Line, Told, read
from app.torture.plan import Order

CHAT, STREAM, HANG_UP = "chat", "chat-stream", "chat-hang-up"
# How often each is asked for, beside the services.
CALLS: Mapping[str, float] = {CHAT: 2.5, STREAM: 4, HANG_UP: 1.5}
PATH = "/phaya-gpt/chat/completions"
# How the upstream misbehaves in these, each order by its number.
BENT = (None, None, None, "slow=3", "stall=4", "tokens=400", "break-stream=5", "cut-stream=5", "no-done", "usage=none",
        "usage=empty", "lost-answer", "bad-json", "code=500", "code=429")  # fmt: skip
HANG_UP_AFTER = 3
DONE = "[DONE]"


@dataclass
class Heard:
    """What came of one try: its status, the credits of a whole answer, and whether it was a replay."""

    status: int
    credits: Decimal | None = None
    is_replay: bool = False


async def talk(line: Line, told: Told) -> None:
    """Call until the answer is definite: whole, refused, or failed. Raises OutOfPatience."""
    order = told.order
    once = _stream_once if order.service in (STREAM, HANG_UP) else _whole_once
    heard = await line.insist(told, order.service, lambda: once(line, told), status=lambda answer: answer.status)
    told.replays += heard.is_replay
    if heard.status == httpx.codes.OK:
        if told.credits is not None and heard.credits != told.credits:
            told.odd.append(f"charged {told.credits}, and {heard.credits} by its repetition")
        told.credits = heard.credits
    elif heard.status != httpx.codes.BAD_GATEWAY:
        told.refused = heard.status


def _request(line: Line, told: Told) -> dict[str, Any]:
    order = told.order
    body = {"messages": [{"role": "user", "content": _text(order)}], "stream": order.service != CHAT}
    return {
        "method": "POST", "path": PATH, "content": orjson.dumps(body), "headers": line.headers(told, order.name),
    }


def _text(order: Order) -> str:
    bent = BENT[order.number % len(BENT)]
    return f"{order.name} What is a lighthouse for?" + (f" [[sandbox:{bent}]]" if bent else "")


async def _whole_once(line: Line, told: Told) -> Heard:
    response = await line.request(**_request(line, told))
    if response.status_code != httpx.codes.OK:
        return Heard(response.status_code)
    return Heard(200, read(response.content)["credits_used"], _is_replay(response))


async def _stream_once(line: Line, told: Told) -> Heard:
    """Hear a stream to its end. Raises httpx's errors where it breaks off without one."""
    heard = Heard(httpx.codes.BAD_GATEWAY)
    async with line.streamed(**_request(line, told)) as response:
        if response.status_code != httpx.codes.OK:
            return Heard(response.status_code)
        heard.is_replay = _is_replay(response)
        count = 0
        async for sent in response.aiter_lines():
            data = sent.removeprefix("data: ")
            if sent == data:
                continue
            if data == DONE:
                return heard
            event = read(data)
            if "error" in event:
                return Heard(httpx.codes.BAD_GATEWAY)
            if "credits_used" in event:
                heard = Heard(httpx.codes.OK, event["credits_used"], heard.is_replay)
            count += 1
            if told.order.service == HANG_UP and count >= HANG_UP_AFTER:
                told.has_hung_up = True
                return heard
    raise httpx.RemoteProtocolError("the stream ended without [DONE]")


def _is_replay(response: httpx.Response) -> bool:
    return str(response.headers.get("idempotent-replayed")) == "true"

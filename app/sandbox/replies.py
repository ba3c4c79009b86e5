"""How answers leave: whole, cut, or not at all."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import orjson
from starlette.responses import Response
from starlette.types import Receive, Scope, Send


def json_reply(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """JSON; decimals become numbers."""
    return Response(orjson.dumps(content, default=float), status, headers, media_type="application/json")


def cut_json(whole: Response) -> Response:
    """The same answer, cut in the middle of its JSON: sound HTTP, unreadable content."""
    headers = {name: value for name, value in whole.headers.items() if name != "content-length"}
    return Response(whole.body[: len(whole.body) // 2], whole.status_code, headers)


class Severed(Response):
    """Breaks the connection, after a part of a body if there is one."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.body:
            self.headers["content-length"] = str(len(self.body) + 1)
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": self.body, "more_body": True})
        await sever(scope, receive)


async def sever(scope: Scope, receive: Receive) -> None:
    """Break the connection; returns when it is broken. What was sent before still arrives."""
    scope["extensions"]["sandbox.sever"]["close"]()
    await hung_up(receive)


async def hung_up(receive: Receive) -> None:
    """Return when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events. A frame of `BREAK` breaks the connection.

    `on_end` is called once, before the client can know of the end, and told whether the client hung up before it.
    """

    media_type = "text/event-stream"
    BREAK = b""

    def __init__(self, frames: AsyncIterator[bytes], on_end: Callable[[bool], None], headers: dict[str, str]) -> None:
        super().__init__(headers={"cache-control": "no-cache", **headers})
        del self.headers["content-length"]
        self._frames = frames
        self._on_end = on_end
        self._has_ended = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        pump = asyncio.create_task(self._pump(scope, send))
        gone = asyncio.create_task(hung_up(receive))
        await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
        for task in (pump, gone):
            task.cancel()
        await asyncio.wait((pump, gone))
        self._end(hung_up=True)
        if not pump.cancelled():
            pump.result()

    def _end(self, *, hung_up: bool) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._on_end(hung_up)

    async def _pump(self, scope: Scope, send: Send) -> None:
        async for frame in self._frames:
            if frame == self.BREAK:
                self._end(hung_up=False)
                scope["extensions"]["sandbox.sever"]["close"]()
                return
            await send({"type": "http.response.body", "body": frame, "more_body": True})
        self._end(hung_up=False)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

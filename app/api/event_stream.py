"""An answer in server-sent events, told by a call under way in the request's own task.

A client that hangs up does not end it: the server drops what is sent to it, and the call goes on to its end.
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from app.api.answers import answer_app_error, json_bytes
from app.errors import AppError

HEADERS = {
    "Content-Type": "text/event-stream; charset=utf-8",
    # A proxy that collects an answer before it passes it on would keep every token back.
    "X-Accel-Buffering": "no",
}
KEEP_ALIVE = b":\n\n"
DONE = b"data: [DONE]\n\n"


def frame(data: object, *, event: str | None = None) -> bytes:
    """One event."""
    name = f"event: {event}\n".encode() if event else b""
    return name + b"data: " + json_bytes(data) + b"\n\n"


class Line:
    """The line to the client. Until `begin` the answer may still become a refusal with a status of its own."""

    def __init__(self, send: Send, headers: Mapping[str, str]) -> None:
        self._send = send
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
        self.has_begun = False

    async def begin(self) -> None:
        """Send status and headers, once."""
        if not self.has_begun:
            self.has_begun = True
            await self._send({"type": "http.response.start", "status": 200, "headers": self._headers})

    async def send(self, data: bytes) -> None:
        """Send frames."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """Nothing more comes."""
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})


Tell = Callable[[Line], Awaitable[None]]


class EventStream(Response):
    """The answer to a request that is told as it comes. A refusal before it begins is an ordinary error answer; one in
    mid-stream is a last frame, which `explain` writes."""

    def __init__(
        self, request: Request, tell: Tell, *, explain: Callable[[AppError], bytes],
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__()
        self._request = request
        self._tell = tell
        self._explain = explain
        self._extra = headers or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        line = Line(send, {**HEADERS, **self._extra})
        try:
            await self._tell(line)
        except AppError as refusal:
            if not line.has_begun:
                response = await answer_app_error(self._request, refusal)
                await response(scope, receive, send)
                return
            await line.send(self._explain(refusal))
        await line.end()

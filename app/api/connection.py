"""A client's connection, on which nobody may dawdle or flood: uvicorn's own has neither bound nor clock for a request.

Every LOOK_S seconds a connection is looked at. It is closed if what was to come has not: a whole head, or BODY_BYTES of
a body that we wait for. A slow application, a stream to a slow reader, and an idle kept connection are not its concern.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES = 64 * 1024
HEADERS = 100
# Less than the slowest of telephones sends in that time.
BODY_BYTES = 4 * 1024
LOOK_S = 10.0
TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\nconnection: close\r\n"
    b"content-length: 98\r\n\r\n"
    b'{"success":false,"detail":"Headers too large","error":"bad_request","message":"Headers too large"}'
)


class HeadTooLarge(Exception):
    """The head of a request has more bytes or fields than any client of ours sends."""


class Connection(HttpToolsProtocol):
    """HTTP as uvicorn speaks it, in bounded time and memory."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self._came = 0  # bytes, since the last look
        self._head: int | None = 0  # bytes of the head that is coming; None: none is
        self._is_new = True  # since the last look
        self._look: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self._look = self.loop.call_later(LOOK_S, self._look_at)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._look is not None:
            self._look.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._came += len(data)
        super().data_received(data)
        if self._head is not None and not self.transport.is_closing():
            self._head += len(data)
            if self._head > HEAD_BYTES:
                self._refuse()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._head, self._is_new = 0, True

    def on_headers_complete(self) -> None:
        self._head = None
        if len(self.headers) > HEADERS or sum(len(name) + len(value) for name, value in self.headers) > HEAD_BYTES:
            self._refuse()
            raise HeadTooLarge
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        if not self.transport.is_closing():
            super().send_400_response(msg)

    def _refuse(self) -> None:
        self.transport.write(TOO_LARGE)
        self.transport.close()

    def _look_at(self) -> None:
        if self._is_late():
            self.transport.close()
            return
        self._came, self._is_new = 0, False
        self._look = self.loop.call_later(LOOK_S, self._look_at)

    def _is_late(self) -> bool:
        if self._head is not None:
            return not self._is_new
        cycle = self.cycle
        if cycle is None or cycle.response_complete or not cycle.more_body or self.flow.read_paused:
            return False
        return self._came < BODY_BYTES and not self._is_new

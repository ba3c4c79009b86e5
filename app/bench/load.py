"""The load process: HTTP/1.1 clients that keep one connection each and send the next request when the last is answered.

It is lean on purpose (no HTTP library), because it shares two cores with what it measures.
"""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

HEAD_END = b"\r\n\r\n"
CHUNKS_END = b"0\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """One request as bytes on the wire."""

    raw: bytes

    @classmethod
    def of(cls, method: str, path: str, *, host: str, key: str, body: bytes = b"") -> "Request":
        head = f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {key}\r\n"
        if body:
            head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return cls(head.encode() + b"\r\n" + body)


@dataclass(frozen=True)
class Answer:
    """Its status, its body (chunks joined with their frames), and the seconds to its first and last byte."""

    status: int
    body: bytes
    first_s: float
    total_s: float


@dataclass(frozen=True)
class Figures:
    """What a run of a number of clients showed."""

    clients: int
    requests: int
    errors: int
    per_s: float
    p50_ms: float
    p99_ms: float
    first_p50_ms: float


class Client(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._answer: asyncio.Future[Answer] | None = None
        self._began = 0.0
        self._first = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclasses of asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionError("closed in the middle of an answer"))

    def data_received(self, data: bytes) -> None:
        if not self._buffer:
            self._first = time.perf_counter()
        self._buffer += data
        end = self._buffer.find(HEAD_END)
        if end < 0 or self._answer is None or self._answer.done():
            return
        head = bytes(self._buffer[:end]).lower()
        body = self._buffer[end + len(HEAD_END) :]
        if b"transfer-encoding: chunked" in head:
            if not body.endswith(CHUNKS_END):
                return
        else:
            length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
            if len(body) < length:
                return
        self._buffer.clear()
        now = time.perf_counter()
        status = int(head.split(b" ", 2)[1])
        self._answer.set_result(Answer(status, bytes(body), self._first - self._began, now - self._began))

    async def send(self, request: Request) -> Answer:
        """Send a request and wait for the whole answer."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._began = time.perf_counter()
        self._transport.write(request.raw)
        return await self._answer

    def close(self) -> None:
        """Close the connection."""
        assert self._transport is not None
        self._transport.close()


async def run(
    host: str, port: int, *, clients: int, seconds: float, make: Callable[[int], Request],
    keep: Callable[[Answer], None] | None = None, pause_s: float = 0,
) -> Figures:
    """Let `clients` clients send what `make` makes (given a running number) for `seconds` seconds.

    Each waits between 0 and `pause_s` seconds, at random, before it asks: clients of a server whose answers all take
    the same time would else march in step, and each wait for all others.
    """
    loop = asyncio.get_running_loop()
    answers: list[Answer] = []
    number = 0
    ends = time.perf_counter() + seconds

    async def drive() -> None:
        nonlocal number
        _, client = await loop.create_connection(Client, host, port)
        while time.perf_counter() < ends:
            if pause_s:
                await asyncio.sleep(random.uniform(0, pause_s))  # noqa: S311 - nobody must not guess it
            number += 1
            answer = await client.send(make(number))
            answers.append(answer)
            if keep is not None:
                keep(answer)
        client.close()

    began = time.perf_counter()
    await asyncio.gather(*(drive() for _ in range(clients)))
    return figures(clients, answers, time.perf_counter() - began)


def figures(clients: int, answers: Sequence[Answer], took_s: float) -> Figures:
    """Rates and quantiles of a run."""
    totals = sorted(answer.total_s for answer in answers)
    firsts = sorted(answer.first_s for answer in answers)
    return Figures(
        clients=clients,
        requests=len(answers),
        errors=sum(answer.status != 200 for answer in answers),
        per_s=len(answers) / took_s,
        p50_ms=quantile(totals, 0.5) * 1_000,
        p99_ms=quantile(totals, 0.99) * 1_000,
        first_p50_ms=quantile(firsts, 0.5) * 1_000,
    )


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0

"""How a client asks: again and again with the same key, until the answer is definite. It writes down what it got."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, TypeVar

import httpx

from app.providers.http import ClientFleet
from app.torture.plan import Order

# A client that hears nothing for so long asks again: a frozen process is silent for up to 20 s.
SILENCE_S = 8.0
PAUSE_S = 0.25
# What says nothing of the request itself: it is sent again, with the same key.
NOT_DEFINITE = frozenset({409, 429, 500, 503})

Answer = dict[str, Any]
T = TypeVar("T")


class OutOfPatience(Exception):
    """The client was still waiting when the run was over."""


@dataclass
class Told:
    """What one client was told about its order.

    `job_ids` are all that its create was answered with, first at `accepted_at` (of time.monotonic). `refused` is the
    status of a definite refusal, and `is_forgotten` says that what was refused had been accepted before it was sent.
    `end` is the last answer about the job, `is_cancelled` what the cancel was answered. `credits` is what the create,
    or the whole answer of a call, said that it costs. `odd` is what no client should see.
    """

    order: Order
    job_ids: set[str] = field(default_factory=set)
    credits: Decimal | None = None
    accepted_at: float | None = None
    refused: int | None = None
    is_forgotten: bool = False
    end: Answer | None = None
    is_cancelled: bool | None = None
    has_hung_up: bool = False
    replays: int = 0
    odd: list[str] = field(default_factory=list)


@dataclass
class Log:
    """All of that, by the order's number, and why clients had to ask again how often."""

    told: dict[int, Told] = field(default_factory=dict)
    asked_again: Counter[str] = field(default_factory=Counter)


@dataclass
class Line:
    """The way to the API under the keys of the accounts, until `ends_at` by `time.monotonic`.

    With both APIs dead a thousand clients ask again and again: in one client httpx would do nothing but search its
    connections.
    """

    fleet: ClientFleet
    api_url: str
    keys: tuple[str, ...]
    ends_at: float
    log: Log

    async def ask(
        self, told: Told, method: str, path: str, *, content: bytes | None = None, key: str | None = None
    ) -> httpx.Response:
        """The definite answer, asked for as often as it takes. Raises OutOfPatience."""
        headers = self.headers(told, key)

        async def once() -> httpx.Response:
            return await self.request(method, path, headers=headers, content=content)

        return await self.insist(told, f"{method} {path}", once, status=lambda response: response.status_code)

    async def insist(
        self, told: Told, what: str, once: Callable[[], Awaitable[T]], *, status: Callable[[T], int]
    ) -> T:
        """What `once` answers as soon as its status is definite. Raises OutOfPatience."""
        while time.monotonic() < self.ends_at:
            try:
                answer = await once()
            except httpx.HTTPError as error:
                self.log.asked_again[type(error).__name__] += 1
            else:
                if status(answer) not in NOT_DEFINITE:
                    return answer
                self.log.asked_again[str(status(answer))] += 1
                if status(answer) == 500:
                    told.odd.append(f"{what} answered 500")
            await asyncio.sleep(PAUSE_S)
        raise OutOfPatience(f"no definite answer to {what}")

    async def request(self, method: str, path: str, *, timeout_s: float = SILENCE_S, **sent: Any) -> httpx.Response:
        """One answer, whatever it is. Raises httpx's errors."""
        with self.fleet.take() as http:
            return await http.request(method, self._url(path), timeout=timeout_s, **sent)

    @asynccontextmanager
    async def streamed(self, method: str, path: str, **sent: Any) -> AsyncIterator[httpx.Response]:
        """One answer as it comes. Raises httpx's errors."""
        with self.fleet.take() as http:
            async with http.stream(method, self._url(path), timeout=SILENCE_S, **sent) as response:
                yield response

    def _url(self, path: str) -> str:
        return f"{self.api_url}/api/v1{path}"

    def headers(self, told: Told, key: str | None = None) -> dict[str, str]:
        """Of a request under the account of the order, with an idempotency key if one is given."""
        return {"Authorization": f"Bearer {self.keys[told.order.account]}"} | ({"Idempotency-Key": key} if key else {})


def read(text: str | bytes) -> Answer:
    """The JSON, with exact amounts."""
    answer: Answer = json.loads(text, parse_float=Decimal)
    return answer

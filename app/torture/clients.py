"""The clients: each asks for one thing until it has a definite answer, watches it to its end, and writes down what it
was told."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx
import orjson

from app.catalog.model import Service
from app.torture.orders import Uploads, body_of
from app.torture.plan import Order, Plan

# A client that hears nothing for so long asks again: a frozen process is silent for up to 20 s.
SILENCE_S = 8.0
PAUSE_S = 0.25
POLL_S = 2.0
ENDS = frozenset({"completed", "failed", "cancelled"})
# What says nothing of the request itself: it is sent again, with the same key.
NOT_DEFINITE = frozenset({409, 429, 500, 502, 503})

Answer = dict[str, Any]


class OutOfPatience(Exception):
    """The client was still waiting when the run was over."""


@dataclass
class Told:
    """What one client was told about its order.

    `job_ids` are all that its create was answered with, `refused` the status of a definite refusal, `end` the last
    answer about the job, `is_cancelled` what the cancel was answered. `odd` is what no client should see.
    """

    order: Order
    job_ids: set[str] = field(default_factory=set)
    credits: Decimal | None = None
    refused: int | None = None
    end: Answer | None = None
    is_cancelled: bool | None = None
    replays: int = 0
    odd: list[str] = field(default_factory=list)


@dataclass
class Log:
    """All of that, by the order's number, and why clients had to ask again how often."""

    told: dict[int, Told] = field(default_factory=dict)
    asked_again: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Clients:
    """All clients of a run. `keys` are the API keys by account; the clock is `time.monotonic`."""

    http: httpx.AsyncClient
    plan: Plan
    services: Mapping[str, Service]
    keys: tuple[str, ...]
    uploads: Uploads
    began: float
    log: Log = field(default_factory=Log)

    async def run(self) -> None:
        """Carry out every order of the plan."""
        async with asyncio.TaskGroup() as group:
            for order in self.plan.orders:
                group.create_task(self._carry_out(order))

    async def _carry_out(self, order: Order) -> None:
        told = self.log.told[order.number] = Told(order)
        await asyncio.sleep(max(0.0, self.began + order.at_s - time.monotonic()))
        service = self.services[order.service]
        try:
            await asyncio.gather(*(self._create(told, service) for _ in range(1 + order.is_doubled)))
            for job_id in told.job_ids:
                await asyncio.gather(self._watch(told, service, job_id), self._cancel(told, service, job_id))
        except OutOfPatience as reason:
            told.odd.append(str(reason))

    async def _create(self, told: Told, service: Service) -> None:
        order = told.order
        body = orjson.dumps(body_of(order, service, self.uploads))
        response = await self._ask(
            told, "POST", service.create_path, content=body, headers={"Idempotency-Key": order.name}
        )
        if response.status_code != 200:
            told.refused = response.status_code
            return
        answer = _read(response)
        told.job_ids.add(answer["job_id"])
        told.replays += response.headers.get("idempotent-replayed") == "true"
        if told.credits is None or not response.headers.get("idempotent-replayed"):
            told.credits = answer["credits_used"]

    async def _watch(self, told: Told, service: Service, job_id: str) -> None:
        path = service.status_path.format(job_id=job_id)
        while True:
            response = await self._ask(told, "GET", path)
            if response.status_code != 200:
                told.odd.append(f"its status answered {response.status_code}: {response.text[:200]}")
                return
            answer = _read(response)
            if answer["status"].lower() in ENDS:
                told.end = answer
                return
            await asyncio.sleep(POLL_S)

    async def _cancel(self, told: Told, service: Service, job_id: str) -> None:
        if told.order.cancel_after_s is None or not service.is_cancellable:
            return
        await asyncio.sleep(told.order.cancel_after_s)
        response = await self._ask(told, "POST", f"/{service.id}/cancel/{job_id}")
        if response.status_code != 200:
            told.odd.append(f"its cancel answered {response.status_code}: {response.text[:200]}")
            return
        # Asked again after a lost answer, the second says that it is cancelled already.
        told.is_cancelled = _read(response)["success"] or "cancelled" in _read(response)["message"]

    async def _ask(self, told: Told, method: str, path: str, **more: Any) -> httpx.Response:
        """The definite answer, asked for as often as it takes. Raises OutOfPatience."""
        headers = {"Authorization": f"Bearer {self.keys[told.order.account]}", **more.pop("headers", {})}
        while time.monotonic() < self.began + self.plan.patience_s:
            try:
                response = await self.http.request(method, f"/api/v1{path}", headers=headers, **more)
            except httpx.HTTPError as error:
                self.log.asked_again[type(error).__name__] += 1
            else:
                if response.status_code not in NOT_DEFINITE:
                    return response
                self.log.asked_again[str(response.status_code)] += 1
                if response.status_code == 500:
                    told.odd.append(f"{method} {path} answered 500: {response.text[:200]}")
            await asyncio.sleep(PAUSE_S)
        raise OutOfPatience(f"no definite answer to {method} {path}")


def open_http(api_url: str) -> httpx.AsyncClient:
    """HTTP as a client without much patience speaks it."""
    limits = httpx.Limits(max_connections=200, max_keepalive_connections=50)
    return httpx.AsyncClient(base_url=api_url, timeout=SILENCE_S, limits=limits, trust_env=False)


def _read(response: httpx.Response) -> Answer:
    """The JSON, with exact amounts."""
    answer: Answer = json.loads(response.content, parse_float=Decimal)
    return answer

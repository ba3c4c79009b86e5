"""The clients: each asks for one thing, and watches it to its end."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson

from app.catalog.model import Service
from app.torture.asking import Line, OutOfPatience, Told, read
from app.torture.orders import Uploads, body_of
from app.torture.plan import Order
from app.torture.talk import CALLS, talk

# How often a client looks at its job: at first, and at most so much later, as the job grows old.
POLL_S, POLL_MOST_S = 2.0, 10.0
ENDS = frozenset({"completed", "failed", "cancelled"})


@dataclass(frozen=True)
class Clients:
    """All clients of a run."""

    line: Line
    services: Mapping[str, Service]
    uploads: Uploads

    async def run(self, orders: Sequence[Order]) -> None:
        """Carry out the orders, each at its time from now."""
        async with asyncio.TaskGroup() as group:
            for order in orders:
                group.create_task(self._carry_out(order))

    async def _carry_out(self, order: Order) -> None:
        told = self.line.log.told[order.number] = Told(order)
        await asyncio.sleep(order.at_s)
        times = 1 + order.is_doubled
        try:
            if order.service in CALLS:
                await asyncio.gather(*(talk(self.line, told) for _ in range(times)))
                return
            service = self.services[order.service]
            await asyncio.gather(*(self._create(told, service) for _ in range(times)))
            for job_id in told.job_ids:
                await asyncio.gather(self._watch(told, service, job_id), self._cancel(told, service, job_id))
        except OutOfPatience as reason:
            told.odd.append(str(reason))

    async def _create(self, told: Told, service: Service) -> None:
        body = orjson.dumps(body_of(told.order, service, self.uploads))
        response = await self.line.ask(told, "POST", service.create_path, content=body, key=told.order.name)
        if response.status_code != 200:
            told.refused = response.status_code
            # Of two at once one may be refused for want of credits, and the other come when some were given back.
            sent_at = time.monotonic() - response.elapsed.total_seconds()
            told.is_forgotten |= told.accepted_at is not None and told.accepted_at < sent_at
            return
        told.accepted_at = told.accepted_at or time.monotonic()
        answer = read(response.content)
        is_replay = response.headers.get("idempotent-replayed") == "true"
        told.job_ids.add(answer["job_id"])
        told.replays += is_replay
        if told.credits is None or not is_replay:
            told.credits = answer["credits_used"]

    async def _watch(self, told: Told, service: Service, job_id: str) -> None:
        path = service.status_path.format(job_id=job_id)
        began = time.monotonic()
        while True:
            response = await self.line.ask(told, "GET", path)
            if response.status_code != 200:
                told.odd.append(f"its status answered {response.status_code}: {response.text[:200]}")
                return
            answer = read(response.content)
            if answer["status"].lower() in ENDS:
                told.end = answer
                return
            await asyncio.sleep(min(POLL_S + (time.monotonic() - began) / 4, POLL_MOST_S))

    async def _cancel(self, told: Told, service: Service, job_id: str) -> None:
        if told.order.cancel_after_s is None or not service.is_cancellable:
            return
        await asyncio.sleep(told.order.cancel_after_s)
        response = await self.line.ask(told, "POST", f"/{service.id}/cancel/{job_id}")
        if response.status_code != 200:
            told.odd.append(f"its cancel answered {response.status_code}: {response.text[:200]}")
            return
        answer = read(response.content)
        # Asked again after a lost answer, the second says that it is cancelled already.
        told.is_cancelled = answer["success"] or "cancelled" in answer["message"]

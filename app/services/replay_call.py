"""Answers to calls that carried an idempotency key: kept for a day, and given again to the same request."""

import asyncio
import time
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import Conflict, UpstreamFailed
from app.jobs.models import IdempotencyKey
from app.jobs.states import ENDS
from app.providers.openrouter_usage import Usage
from app.services.broker import Broker
from app.services.job_writer import Created, Idempotency

KEPT_S = 24 * 3600.0
KEPT_MOST_BYTES = 1024 * 1024
# A repeated request waits so long for the first one's answer.
WAIT_S = 5.0
LOOK_EVERY_S = 0.1
TOO_LARGE: dict[str, Any] = {"is_too_large": True}


@dataclass(frozen=True)
class Answer:
    """What a client gets: the answer, what it used, and what it was charged, in credits."""

    document: dict[str, Any]
    usage: Usage
    credits: Decimal


def kept_answer(answer: Answer) -> dict[str, Any]:
    """An answer as it is kept for the requests that repeat the first one."""
    kept = orjson.dumps(
        {"document": answer.document, "usage": asdict(answer.usage), "credits": answer.credits}, default=str
    )
    # JSONB holds no NUL; a model that says one is quoted with the sign for what cannot be shown.
    kept = kept.replace(b"\\u0000", b"\\ufffd")
    return TOO_LARGE if len(kept) > KEPT_MOST_BYTES else orjson.loads(kept)


async def forget_answer(db: AsyncSession, account_id: UUID, job_id: UUID) -> None:
    """A call that failed leaves its idempotency key free: the same request may be made anew."""
    await db.execute(
        delete(IdempotencyKey).where(IdempotencyKey.account_id == account_id, IdempotencyKey.job_id == job_id)
    )


async def replay_call(broker: Broker, account_id: UUID, earlier: Created, idempotency: Idempotency) -> Answer:
    """The answer to the earlier request, waiting for it a little.

    Raises Conflict while it is still being answered, UpstreamFailed when its answer is lost.
    """
    ends = time.monotonic() + WAIT_S
    while earlier.response is None:
        view = await broker.watch.find(earlier.job_id, now=True)
        found = await broker.jobs.find(account_id, idempotency)
        if found is None or (view is not None and view.state in ENDS and found.response is None):
            raise UpstreamFailed("The first request with this Idempotency-Key failed, or its answer was lost")
        if time.monotonic() > ends:
            raise Conflict("The first request with this Idempotency-Key is still being answered",
                           code="idempotency_in_progress")
        earlier = found
        if earlier.response is None:
            await asyncio.sleep(LOOK_EVERY_S)
    if earlier.response == TOO_LARGE:
        raise Conflict("The answer was too large to be kept for a repetition", code="idempotency_not_kept")
    return _read(earlier.response)


def _read(kept: Any) -> Answer:
    usage = kept["usage"]
    cost = None if usage["cost"] is None else Decimal(usage["cost"])
    return Answer(kept["document"], Usage(**usage | {"cost": cost}), Decimal(kept["credits"]))

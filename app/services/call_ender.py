"""Ending calls whose answer is whole: charge, job, attempt and kept answer in one statement and one commit.

Calls that end together share that statement (the SQL function `end_calls`, in migrations/): each is all or nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

import orjson
from sqlalchemy import text

from app.db.batch import Batcher
from app.db.engine import Database
from app.jobs.states import LeaseLost
from app.services.job_writer import Idempotency

BATCH_SIZE = 64
PARALLEL_BATCHES = 3


@dataclass(frozen=True)
class EndedCall:
    """A call and what it cost: `credits` to be charged, `cost` in USD, `output` for the operator.

    `response` is kept for `kept_s` seconds for the requests that repeat this one.
    """

    account_id: UUID
    job_id: UUID
    fence: int
    attempt_id: UUID
    credits: Decimal
    task_id: str | None
    cost: Decimal | None
    output: Mapping[str, object]
    idempotency: Idempotency | None = None
    response: Mapping[str, object] | None = None
    kept_s: float = 0


class CallEnder:
    """Ends calls in batches. One for each process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._batcher = Batcher(self._flush, size=BATCH_SIZE, parallel=PARALLEL_BATCHES)

    async def end(self, call: EndedCall) -> Decimal:
        """Charge the call, at most what is held for it, and end its job well, durably; answers what was charged.

        Raises LeaseLost, and changes nothing, when the job is not ours any more.
        """
        return await self._batcher.ask(call)

    async def close(self) -> None:
        """Wait for the batches under way."""
        await self._batcher.close()

    async def _flush(self, calls: Sequence[EndedCall]) -> Sequence[Decimal | Exception]:
        batch = orjson.dumps([_row(position, call) for position, call in enumerate(calls)], default=str).decode()
        async with self._db.statement() as db:
            rows = (await db.execute(text("SELECT * FROM end_calls(CAST(:batch AS jsonb))"), {"batch": batch})).all()
        charged = {row.r_position: row.r_credits for row in rows}
        return [
            LeaseLost(f"{call.job_id} at fence {call.fence}") if charged[position] is None else charged[position]
            for position, call in enumerate(calls)
        ]


def _row(position: int, call: EndedCall) -> dict[str, object]:
    return {
        "position": position, "account_id": call.account_id, "job_id": call.job_id, "fence": call.fence,
        "attempt_id": call.attempt_id, "credits": call.credits, "task_id": call.task_id, "cost": call.cost,
        "output": call.output, "idem_route": call.idempotency and call.idempotency.route,
        "idem_key": call.idempotency and call.idempotency.key, "response": call.response, "kept_s": call.kept_s,
    }

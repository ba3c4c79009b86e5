"""Writing new jobs: idempotency key, hold and job in one statement and one commit.

Requests that arrive together share that statement (the SQL function `create_jobs`, in migrations/): each is all or
nothing.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row, func, select, text

from app.db.batch import Batcher
from app.db.engine import Database
from app.db.ids import new_id
from app.errors import Invalid
from app.jobs.models import IdempotencyKey, Job
from app.jobs.states import JobState
from app.ledger import HoldKind, shortage

BATCH_SIZE = 64
PARALLEL_BATCHES = 3


@dataclass(frozen=True)
class Idempotency:
    """What makes a repeated request the same one: its route, the client's key, and the SHA-256 of its body."""

    route: str
    key: str
    body_hash: str

    @classmethod
    def of(cls, route: str, key: str, body: bytes) -> "Idempotency":
        """Raises Invalid for a key that is empty or longer than 255 characters."""
        if not 0 < len(key) <= 255:
            raise Invalid("Idempotency-Key must have 1 to 255 characters")
        return cls(route, key, hashlib.sha256(body).hexdigest())


@dataclass(frozen=True)
class NewJob:
    """A job to be made. Durations in seconds. `attempt_id` is set when the caller itself sends it upstream at once."""

    account_id: UUID
    key_id: UUID
    service: str
    lane: str
    request: Mapping[str, object]
    credits: Decimal
    rates_version: int
    hold_kind: HoldKind
    deadline_s: float
    prepared: bool = True
    message: str | None = None
    state: JobState = JobState.QUEUED
    lease_s: float = 0
    attempt_id: UUID | None = None
    provider_key: str | None = None
    idempotency: Idempotency | None = None
    inputs: Mapping[str, object] | None = None
    listed_cost: Decimal | None = None


@dataclass(frozen=True)
class Created:
    """A job that exists. `is_replay`: it was made by an earlier request with the same idempotency key.

    `credits` is what was held for it by this request.
    """

    job_id: UUID
    created_at: datetime
    is_replay: bool
    credits: Decimal = Decimal(0)
    response: Mapping[str, object] | None = None


class JobWriter:
    """Writes new jobs in batches. One for each process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._batcher = Batcher(self._flush, size=BATCH_SIZE, parallel=PARALLEL_BATCHES)

    async def create(self, job: NewJob) -> Created:
        """Hold the credits and write the job, durably, or raise InsufficientCredits or Invalid and change nothing."""
        return await self._batcher.ask(job)

    async def find(self, account_id: UUID, idempotency: Idempotency) -> Created | None:
        """What an earlier request with this idempotency key made, for callers with much to do before `create`."""
        query = select(IdempotencyKey, Job.created_at).join(Job, Job.id == IdempotencyKey.job_id)
        known = (IdempotencyKey.account_id == account_id, IdempotencyKey.route == idempotency.route,
                 IdempotencyKey.key == idempotency.key, IdempotencyKey.expires_at > func.now())
        async with self._db.statement() as db:
            row = (await db.execute(query.where(*known))).one_or_none()
        if row is None:
            return None
        kept, created_at = row
        assert kept.job_id is not None
        if kept.body_hash != bytes.fromhex(idempotency.body_hash):
            raise reused_key()
        return Created(kept.job_id, created_at, is_replay=True, response=kept.response)

    async def close(self) -> None:
        """Wait for the batches under way."""
        await self._batcher.close()

    async def _flush(self, jobs: Sequence[NewJob]) -> Sequence[Created | Exception]:
        batch = orjson.dumps([_row(position, job) for position, job in enumerate(jobs)], default=str).decode()
        async with self._db.statement() as db:
            rows = (await db.execute(text("SELECT * FROM create_jobs(CAST(:batch AS jsonb))"), {"batch": batch})).all()
        answers: list[Created | Exception] = [RuntimeError("create_jobs left an item out")] * len(jobs)
        for row in rows:
            answers[row.r_position] = await self._answer(jobs[row.r_position], row)
        return answers

    async def _answer(self, job: NewJob, row: Row[Any]) -> Created | Exception:
        if row.r_outcome in ("held", "replayed"):
            return Created(row.r_job_id, row.r_created_at, row.r_outcome == "replayed", job.credits, row.r_response)
        if row.r_outcome == "key_reused":
            return reused_key()
        async with self._db.statement() as db:
            return await shortage(db, job.account_id, job.key_id, required=job.credits)


def reused_key() -> Invalid:
    """The refusal of a key that stands for another request."""
    return Invalid("This Idempotency-Key was used with another body", code="idempotency_key_reused")


def _row(position: int, job: NewJob) -> dict[str, object]:
    idempotency = job.idempotency
    return {
        "position": position, "account_id": job.account_id, "key_id": job.key_id, "job_id": new_id(),
        "hold_id": new_id(), "hold_kind": job.hold_kind, "credits": job.credits, "service": job.service,
        "lane": job.lane, "state": job.state, "request": job.request, "inputs": job.inputs or {},
        "message": job.message, "rates_version": job.rates_version, "listed_cost": job.listed_cost,
        "prepared": job.prepared,
        "deadline_s": job.deadline_s, "lease_s": job.lease_s, "attempt_id": job.attempt_id,
        "provider_key": job.provider_key, "idem_route": idempotency and idempotency.route,
        "idem_key": idempotency and idempotency.key, "body_hash": idempotency and idempotency.body_hash,
    }

"""Reading jobs for their owners: many readers share one query, and what cannot change any more is remembered."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import func, select, text

from app.db.batch import Batcher
from app.db.engine import Database
from app.jobs.models import Job
from app.jobs.states import ENDS, JobState

# A live job's state is never staler than this; an ended one never changes.
FRESH_S = 0.5
REMEMBER_MOST = 20_000


@dataclass(frozen=True, slots=True)
class JobView:
    """A job as its owner may see it."""

    id: UUID
    account_id: UUID
    service: str
    state: JobState
    is_generating: bool
    progress: int | None
    message: str | None
    error: str | None
    credits_used: Decimal
    result: dict[str, Any]
    created_at: datetime
    ended_at: datetime | None

    @property
    def has_ended(self) -> bool:
        return self.state in ENDS


NAMES = tuple(field.name for field in fields(JobView))
COLUMNS = (
    Job.id, Job.account_id, Job.service, Job.state, Job.is_generating, Job.progress, Job.message, Job.error,
    Job.credits_used, Job.result, Job.created_at, Job.ended_at,
)

# Written out, because to compose and compile it anew for every batch costs more than to run it.
READ = text(f"SELECT {', '.join(NAMES)} FROM jobs WHERE id = ANY(:ids)").columns(*COLUMNS)  # noqa: S608


def _view(row: Sequence[Any]) -> JobView:
    return JobView(**dict(zip(NAMES, row, strict=True)))


class JobReader:
    """One for each process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[UUID, tuple[float, JobView]] = {}
        self._reads = Batcher[UUID, JobView | None](self._read, size=256, parallel=2)

    async def find(self, job_id: UUID, *, now: bool = False) -> JobView | None:
        """The job as it stood at most `FRESH_S` ago, or exactly `now`."""
        known = self._known.get(job_id)
        if known is not None and (known[1].has_ended or (not now and time.monotonic() - known[0] < FRESH_S)):
            return known[1]
        asked_at = time.monotonic()
        view = await self._reads.ask(job_id)
        if view is not None:
            if len(self._known) >= REMEMBER_MOST:
                self._known.clear()
            self._known[job_id] = (asked_at, view)
        return view

    async def list(
        self, account_id: UUID, service: str, *, fields: Sequence[str], limit: int, offset: int = 0,
        state: JobState | None = None,
    ) -> tuple[int, list[tuple[JobView, dict[str, str | None]]]]:
        """How many jobs of a service (in this state) the account has, and one page of them, newest first.

        With each come these fields of its request.
        """
        mine = [Job.account_id == account_id, Job.service == service, *([Job.state == state] if state else [])]
        asked = [Job.request[field].astext for field in fields]
        async with self._db.statement() as db:
            total = await db.scalar(select(func.count()).select_from(Job).where(*mine)) or 0
            query = select(*COLUMNS, *asked).where(*mine)
            page = query.order_by(Job.id.desc()).limit(limit).offset(offset)
            rows = await db.execute(page)
            width = len(COLUMNS)
            return total, [(_view(row[:width]), dict(zip(fields, row[width:], strict=True))) for row in rows]

    async def _read(self, ids: Sequence[UUID]) -> Sequence[JobView | None]:
        async with self._db.statement() as db:
            rows = await db.execute(READ, {"ids": list(set(ids))})
            found = {row.id: _view(row) for row in rows}
        return [found.get(job_id) for job_id in ids]

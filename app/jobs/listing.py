"""Pages of jobs for the operator, newest first, and what stands behind one job."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.models import Job, JobAttempt
from app.jobs.states import ENDS, JobState


@dataclass(frozen=True)
class JobFilter:
    """Which jobs; None is no matter."""

    state: JobState | None = None
    service: str | None = None
    account_id: UUID | None = None
    is_flagged: bool | None = None


async def list_jobs(
    db: AsyncSession, wanted: JobFilter, *, limit: int, before: UUID | None = None
) -> Sequence[Job]:
    """Jobs; `before` is the id after which the page begins."""
    query = select(Job).order_by(Job.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Job.id < before)
    if wanted.state is not None:
        query = query.where(Job.state == wanted.state)
        if wanted.state not in ENDS:
            # Implied, and what lets Postgres look among the live jobs alone.
            query = query.where(Job.ended_at.is_(None))
    if wanted.service is not None:
        query = query.where(Job.service == wanted.service)
    if wanted.account_id is not None:
        query = query.where(Job.account_id == wanted.account_id)
    if wanted.is_flagged is not None:
        query = query.where(Job.is_flagged.is_(wanted.is_flagged))
    return (await db.scalars(query)).all()


async def list_attempts(db: AsyncSession, job_id: UUID) -> Sequence[JobAttempt]:
    """The job's paid calls, oldest first."""
    query = select(JobAttempt).where(JobAttempt.job_id == job_id).order_by(JobAttempt.number)
    return (await db.scalars(query)).all()

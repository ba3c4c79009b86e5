"""How the queue stands, for the operator's figures."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.jobs.models import Job, RestedKey
from app.jobs.states import JobState

LIVE = text("""
SELECT lane, state, count(*), extract(epoch FROM now() - min(created_at))::float8 AS oldest_s,
       greatest(0, extract(epoch FROM now() - min(deadline_at)))::float8 AS overdue_s
  FROM jobs WHERE ended_at IS NULL GROUP BY lane, state
""")


@dataclass(frozen=True)
class LiveJobs:
    """The live jobs of a lane in one state: how many, the age of the oldest, and how far one is past its deadline."""

    lane: str
    state: JobState
    count: int
    oldest_s: float
    overdue_s: float


async def count_live(db: AsyncSession) -> Sequence[LiveJobs]:
    """Every lane and state that has live jobs."""
    rows = await db.execute(LIVE)
    return [LiveJobs(row[0], JobState(row[1]), *row[2:]) for row in rows]


async def count_flagged(db: AsyncSession) -> int:
    """Jobs that ask for an operator's look."""
    return await db.scalar(select(func.count()).select_from(Job).where(Job.is_flagged)) or 0


async def count_unclear(db: AsyncSession) -> int:
    """Live jobs of which nobody knows whether the provider took them."""
    query = select(func.count()).select_from(Job).where(Job.ended_at.is_(None), Job.state == JobState.UNCLEAR)
    return await db.scalar(query) or 0


async def count_resting(db: AsyncSession) -> Mapping[str, int]:
    """Providers' keys that are left alone for now, by provider."""
    query = (
        select(RestedKey.provider, func.count())
        .where(RestedKey.rested_until > func.now())
        .group_by(RestedKey.provider)
    )
    return {row[0]: row[1] for row in await db.execute(query)}

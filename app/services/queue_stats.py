"""How an account's local work stands."""

import os
from uuid import UUID

from sqlalchemy import func, select

from app.jobs.models import Job
from app.jobs.states import JobState
from app.jobs.wire import MEDIA_LANE
from app.services.broker import Broker


async def queue_stats(broker: Broker, account_id: UUID) -> dict[str, int]:
    """The caller's own media jobs by state (others' are none of their business), and how many run at once here."""
    query = (
        select(Job.state, func.count())
        .where(Job.account_id == account_id, Job.lane == MEDIA_LANE)
        .group_by(Job.state)
    )
    async with broker.db.statement() as db:
        counts = {row[0]: row[1] for row in await db.execute(query)}
    return {
        "pending": counts.get(JobState.QUEUED, 0),
        "processing": counts.get(JobState.RUNNING, 0) + counts.get(JobState.STORING, 0),
        "completed": counts.get(JobState.SUCCEEDED, 0),
        "failed": counts.get(JobState.FAILED, 0),
        "workers": broker.settings.media_concurrency or os.cpu_count() or 1,
    }

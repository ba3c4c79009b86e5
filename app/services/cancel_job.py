"""A job is taken back, by its owner or by an operator."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.keys import record_act
from app.errors import NotFound
from app.jobs import queries
from app.jobs.states import ENDS, JobState
from app.services.broker import Broker
from app.services.end_job import cancel


async def cancel_job(broker: Broker, job_id: UUID) -> JobState:
    """Cancel the job and give its credits back. Answers CANCELLED, or the end that it had reached before.

    What the provider makes of it later changes nothing. Raises NotFound.
    """
    async with broker.db.transaction() as db:
        state, _ = await _cancel(db, job_id)
    return state


async def cancel_for_operator(db: AsyncSession, job_id: UUID, *, actor: str) -> JobState:
    """The same, written down as an act of `actor` if it was this that ended the job."""
    state, is_new = await _cancel(db, job_id)
    if is_new:
        await record_act(db, actor=actor, act="job.cancel", subject=job_id, detail={})
    return state


async def _cancel(db: AsyncSession, job_id: UUID) -> tuple[JobState, bool]:
    # With its row locked the job cannot move on under our hands.
    job = await queries.lock(db, job_id)
    if job is None:
        raise NotFound("No such job")
    if job.state in ENDS:
        return job.state, False
    is_cancelled = await cancel(db, job)
    assert is_cancelled
    return JobState.CANCELLED, True

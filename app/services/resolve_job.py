"""An operator settles what could not be known: a job whose answer was lost, or one that ended with a flag.

What must hold is in docs/decisions/0009-late-success.md.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.keys import record_act
from app.errors import Conflict, Invalid, NotFound
from app.jobs import queries
from app.jobs.models import Job
from app.jobs.states import ENDS, AttemptOutcome, JobState
from app.services.end_job import fail, unflag


@dataclass(frozen=True)
class Finding:
    """What the operator found out at the provider, and how. A success names the provider's own id of the task."""

    has_succeeded: bool
    note: str
    task_id: str | None = None


async def resolve_job(db: AsyncSession, job_id: UUID, finding: Finding, *, actor: str) -> JobState:
    """Settle the job and write down the act; answers its state.

    An unclear job that failed is ended with a refund; one whose task is known stays unclear until its next step, at
    once, takes it up. A job that has ended stays as it is and loses its flag. Raises NotFound, Invalid for a success
    without a task, and Conflict for a job that asks for nothing.
    """
    job = await queries.lock(db, job_id)
    if job is None:
        raise NotFound("No such job")
    if job.state is JobState.UNCLEAR:
        state = await _settle(db, job, finding)
    elif job.state in ENDS and job.is_flagged:
        await _note_task(db, job, finding)
        await unflag(db, job)
        state = job.state
    else:
        raise Conflict("The job is neither unclear nor flagged")
    detail = {"has_succeeded": finding.has_succeeded, "note": finding.note, "task_id": finding.task_id,
              "state": job.state}
    await record_act(db, actor=actor, act="job.resolve", subject=job_id, detail=detail)
    return state


async def _settle(db: AsyncSession, job: Job, finding: Finding) -> JobState:
    if finding.has_succeeded:
        if finding.task_id is None:
            raise Invalid("A success needs the provider's id of the task: its result is fetched before it is charged")
        await _note_task(db, job, finding)
        await queries.wake(db, job.id)
        return JobState.UNCLEAR
    error = "The provider did not do the work; the credits were returned"
    await fail(db, job, reason="resolved", error=error)
    return JobState.FAILED


async def _note_task(db: AsyncSession, job: Job, finding: Finding) -> None:
    """From here on the attempt's task is known: what it cost can be asked for."""
    attempt = (await queries.last_attempts(db, [job.id])).get(job.id)
    if attempt is not None and finding.task_id is not None:
        await queries.answer_attempt(db, attempt.id, AttemptOutcome.ACCEPTED, task_id=finding.task_id)

"""The ends of a job. Each moves the job and resolves its hold in the caller's transaction, or does nothing at all."""

from collections.abc import Mapping
from decimal import Decimal
from uuid import UUID

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm.attributes import set_committed_value

from app import ledger
from app.jobs.models import Job
from app.jobs.states import JobState, LeaseLost, move

ZERO = Decimal(0)


async def advance_state(db: AsyncSession, job: Job, target: JobState) -> None:
    """Move a job that is leased to us, in its row and in the object that the step goes on with. Raises LeaseLost."""
    if not await move(db, job.id, source=job.state, target=target, fence=job.fence):
        raise LeaseLost(f"{job.id} at fence {job.fence}")
    set_committed_value(job, "state", target)


async def succeed(
    db: AsyncSession, job: Job, *, result: Mapping[str, object], credits: Decimal | None = None,
    further_credits: Decimal = ZERO,
) -> Decimal:
    """End a stored job well and capture `credits` (all that is held by default). Answers what was captured.

    `further_credits` are held first, and captured with the rest. The files must be stored before: no capture without
    them (design 3.7). Raises LeaseLost, and InsufficientCredits, after which the transaction must be rolled back.
    """
    await _end(db, job, JobState.SUCCEEDED)
    if further_credits:
        await ledger.hold_more(
            db, account_id=job.account_id, key_id=job.key_id, job_id=job.id, service=job.service,
            kind=ledger.HoldKind.VISIBLE, credits=further_credits,
        )
    used = await ledger.capture(db, job.id, credits=credits)
    await _write(db, job.id, credits_used=used, result=dict(result), progress=100)
    return used


async def fail(
    db: AsyncSession, job: Job, *, reason: str, error: str, is_flagged: bool = False
) -> None:
    """End a job badly and give everything back. `reason` is a code, `error` a sentence for the client.

    `is_flagged` asks the operator to look: money may have been spent upstream. Raises LeaseLost.
    """
    await _end(db, job, JobState.FAILED, detail=reason)
    await ledger.release(db, job.id)
    await _write(db, job.id, credits_used=ZERO, reason=reason, error=error, is_flagged=is_flagged)


async def cancel(db: AsyncSession, job: Job) -> bool:
    """End a job because its owner asks, and give everything back. False if it has just ended or moved."""
    if not await move(db, job.id, source=job.state, target=JobState.CANCELLED):
        return False
    await ledger.release(db, job.id)
    await _write(db, job.id, credits_used=ZERO, reason="cancelled")
    return True


async def unflag(db: AsyncSession, job: Job) -> None:
    """An operator has looked at it."""
    await _write(db, job.id, is_flagged=False)


async def _end(db: AsyncSession, job: Job, target: JobState, *, detail: str | None = None) -> None:
    if not await move(db, job.id, source=job.state, target=target, fence=job.fence, detail=detail):
        raise LeaseLost(f"{job.id} at fence {job.fence}")


async def _write(db: AsyncSession, job_id: UUID, **columns: object) -> None:
    await db.execute(update(Job).where(Job.id == job_id).values(**columns))

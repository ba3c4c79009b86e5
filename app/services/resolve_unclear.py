"""An unclear job: nobody knows whether its task was taken, until the provider itself says whose it is."""

from enum import Enum, auto

from app.errors import Throttled
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.jobs.states import AttemptOutcome, JobState
from app.providers.port import Missing
from app.services.broker import Broker
from app.services.end_job import advance_state
from app.services.stepping import MISSING_S, RETRY_S, ask, end_badly, end_if_overdue, is_overdue, rest, seconds_since
from app.services.take_work import hash_callback_secret


class Look(Enum):
    """What the provider says of the task that a callback pointed at."""

    OURS = auto()
    NOT_OURS = auto()
    NOT_KNOWN_YET = auto()


async def resolve_unclear(broker: Broker, job: Job, attempt: JobAttempt) -> None:
    """Go on with the task that turned out to be ours: by the late answer to our own request, or by a callback that
    the provider confirms. Give up when the request was refused after all, and after the grace period.

    Raises LeaseLost.
    """
    if attempt.task_id is not None:
        await _adopt(broker, job, attempt, attempt.task_id)
    elif attempt.outcome is AttemptOutcome.REFUSED:
        await end_badly(broker, job, reason="refused", error="The provider did not take the request")
    elif attempt.hinted_task_id is not None:
        await _follow_hint(broker, job, attempt, attempt.hinted_task_id)
    else:
        await _wait(broker, job, attempt)


async def _follow_hint(broker: Broker, job: Job, attempt: JobAttempt, task_id: str) -> None:
    look = await _look_at(broker, job, attempt, task_id)
    if look is Look.OURS:
        await _adopt(broker, job, attempt, task_id)
    elif look is Look.NOT_OURS:
        await _wait(broker, job, attempt)
    elif not await end_if_overdue(broker, job):
        await rest(broker, job, delay_s=RETRY_S)


async def _wait(broker: Broker, job: Job, attempt: JobAttempt) -> None:
    left_s = broker.settings.grace_s - _seconds_unclear(broker, job, attempt)
    if left_s > 0 and not is_overdue(broker, job):
        await rest(broker, job, delay_s=left_s)
        return
    error = "The provider's answer was lost and the work could not be found; the credits were returned"
    await end_badly(broker, job, reason="unclear", error=error, is_flagged=True)


def _seconds_unclear(broker: Broker, job: Job, attempt: JobAttempt) -> float:
    assert attempt.answered_at is not None
    return seconds_since(attempt.answered_at, broker, job)


async def _look_at(broker: Broker, job: Job, attempt: JobAttempt, task_id: str) -> Look:
    try:
        report = await ask(broker, job, attempt, task_id)
    except Throttled:
        return Look.NOT_KNOWN_YET
    if isinstance(report.verdict, Missing) and _seconds_unclear(broker, job, attempt) < MISSING_S:
        return Look.NOT_KNOWN_YET
    secret = (report.callback_url or "").rsplit("/", 1)[-1]
    is_ours = attempt.secret_hash is not None and hash_callback_secret(secret) == attempt.secret_hash
    return Look.OURS if is_ours else Look.NOT_OURS


async def _adopt(broker: Broker, job: Job, attempt: JobAttempt, task_id: str) -> None:
    async with broker.db.transaction() as db:
        await queries.answer_attempt(db, attempt.id, AttemptOutcome.ACCEPTED, task_id=task_id)
        await advance_state(db, job, JobState.RUNNING)
        await queries.rest(db, job, delay_s=0, lease_s=broker.settings.lease_s)
    broker.doorbell.ring(job.lane)

"""Calls to language models that nobody is making any more: settled by upstream's record of them, never made again."""

import structlog

from app.catalog.language.prices import TokenPrice
from app.errors import Throttled
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.jobs.states import AttemptOutcome, JobState, LeaseLost
from app.providers.openrouter import OpenRouter
from app.providers.openrouter_usage import Generation
from app.services.broker import Broker
from app.services.end_job import advance_state, fail, succeed
from app.services.leases import keeping
from app.services.replay_call import forget_answer
from app.services.stepping import seconds_since
from app.services.take_work import Step, Work

log = structlog.get_logger()

LOOK_LEAST_S = 1.0
LOOK_MOST_S = 60.0


async def take_lost_calls(broker: Broker, limit: int) -> Work:
    """Lease up to `limit` calls whose process died or lost track of them."""
    async with broker.db.transaction() as db:
        jobs = await queries.claim_due(db, OpenRouter.name, limit=limit, lease_s=broker.settings.lease_s)
        attempts = await queries.last_attempts(db, [job.id for job in jobs])
    return Work([Step(job, attempts.get(job.id)) for job in jobs])


async def settle_lost_call(broker: Broker, step: Step) -> None:
    """Charge the call if its client was told (a part of) the answer, else give everything back.

    Upstream's record comes late, so it is asked for again and again, for the grace period at most. Raises LeaseLost.
    """
    job, attempt = step.job, step.attempt
    assert attempt is not None
    async with keeping(broker, job):
        waited_s = 0.0
        if job.state is JobState.SUBMITTING:
            await _lose_track(broker, job, attempt)
        else:
            # Not by the attempt's outcome: a process that stood still may write late that the call was taken.
            waited_s = seconds_since(attempt.answered_at or attempt.created_at, broker, job)
        record = await _find_record(broker, attempt)
        if record is not None:
            await _settle(broker, job, attempt, record)
        elif waited_s >= broker.settings.grace_s:
            await _give_up(broker, job)
        else:
            await _wait(broker, job, attempt, waited_s=waited_s)


async def _lose_track(broker: Broker, job: Job, attempt: JobAttempt) -> None:
    async with broker.db.transaction() as db:
        await queries.answer_attempt(
            db, attempt.id, AttemptOutcome.LOST, detail="the process died while it made the call"
        )
        await advance_state(db, job, JobState.UNCLEAR)


async def _find_record(broker: Broker, attempt: JobAttempt) -> Generation | None:
    if broker.openrouter is None or attempt.task_id is None:
        return None
    keys = broker.openrouter.keys
    key = next((key for key in keys if key.fingerprint == attempt.provider_key), keys[0])
    try:
        return await broker.openrouter.generation(key, attempt.task_id)
    except Throttled as trouble:
        log.warning("generation.not_told", job_id=str(attempt.job_id), detail=trouble.detail)
        return None


async def _settle(broker: Broker, job: Job, attempt: JobAttempt, record: Generation) -> None:
    """A stream was told as it came, so its client pays for it. A whole answer was never given, so nobody does."""
    usage = record.usage
    is_charged = bool(job.request["stream"]) and not record.has_failed
    outcome = AttemptOutcome.DONE if is_charged else AttemptOutcome.FAILED
    async with broker.db.transaction() as db:
        await queries.answer_attempt(
            db, attempt.id, outcome, cost=usage.cost,
            output=usage.counts,
        )
        if is_charged:
            await advance_state(db, job, JobState.RUNNING)
            await advance_state(db, job, JobState.STORING)
            price = TokenPrice.thawed(job.inputs["price"])
            await succeed(db, job, result={}, credits=price.of(usage.prompt_tokens, usage.completion_tokens))
        else:
            await fail(db, job, reason="answer_lost", error="The answer was lost; nothing was charged")
            await forget_answer(db, job.account_id, job.id)
    log.info("call.settled", job_id=str(job.id), is_charged=is_charged)


async def _give_up(broker: Broker, job: Job) -> None:
    async with broker.db.transaction() as db:
        await fail(db, job, reason="unclear", error="The answer was lost; nothing was charged", is_flagged=True)
        await forget_answer(db, job.account_id, job.id)
    log.warning("call.given_up", job_id=str(job.id))


async def _wait(broker: Broker, job: Job, attempt: JobAttempt, *, waited_s: float) -> None:
    """Look again when twice as long has passed; without a record to look for, when the grace period is over."""
    grace_s = broker.settings.grace_s
    delay_s = min(max(waited_s, LOOK_LEAST_S), LOOK_MOST_S) if attempt.task_id else grace_s
    async with broker.db.statement() as db:
        if not await queries.rest(
            db, job, delay_s=min(delay_s, max(grace_s - waited_s, 0)), lease_s=broker.settings.lease_s
        ):
            raise LeaseLost(str(job.id))

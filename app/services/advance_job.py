"""One step of a provider's job: hand up its inputs, send it, ask how it stands, or store what it made.

A step is three acts: the claim that came before (committed), a call outside, and the record of its outcome (committed).
"""

import random
from typing import assert_never

import structlog

from app.errors import FetchFailed, FileGone, Invalid, MediaError, Rejected, StorageFailed, Throttled
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.jobs.states import AttemptOutcome, JobState, LeaseLost
from app.providers.port import Done, Failed, Missing, Outputs, Working
from app.services.broker import Broker
from app.services.end_job import advance_state, fail
from app.services.fetch_inputs import fetch_job_inputs, hand_up
from app.services.leases import keeping
from app.services.resolve_unclear import resolve_unclear
from app.services.send_task import go_on_sending, send_task
from app.services.stepping import (
    MISSING_S,
    RETRY_S,
    ask,
    end_badly,
    end_if_overdue,
    is_overdue,
    provider_of,
    rest,
    seconds_since,
)
from app.services.store_results import store_outputs
from app.services.take_work import Step

log = structlog.get_logger()

POLL_FIRST_S = 2.0
POLL_MOST_S = 30.0
# A result that is not there may still appear for some seconds.
GONE_TRIES = 4
STORE_MOST_S = 60.0
# While our own store has no room, or does not answer, results wait; they are paid for.
STORE_REST_S = 15.0


async def advance(broker: Broker, step: Step) -> None:
    """Do the step that the job's state calls for. Whatever it finds is committed when this returns.

    Raises LeaseLost when the job is not ours any more; then nothing was changed.
    """
    job = step.job
    async with keeping(broker, job):
        match job.state:
            case JobState.QUEUED:
                await _prepare(broker, job)
            case JobState.SUBMITTING if step.secret is not None:
                await send_task(broker, job, _attempt(step), step.secret)
            case JobState.SUBMITTING:
                await go_on_sending(broker, job, _attempt(step))
            case JobState.UNCLEAR:
                await resolve_unclear(broker, job, _attempt(step))
            case JobState.RUNNING:
                await _poll(broker, job, _attempt(step))
            case JobState.STORING:
                await _store(broker, job)
            case JobState.SUCCEEDED | JobState.FAILED | JobState.CANCELLED:
                raise LeaseLost(f"{job.id} has ended")
            case _ as never:
                assert_never(never)


def _attempt(step: Step) -> JobAttempt:
    assert step.attempt is not None  # A job that was sent has one: it was committed before.
    return step.attempt


async def _prepare(broker: Broker, job: Job) -> None:
    """Fetch the inputs and hand them up, so that the job can wait in line for its turn."""
    if await end_if_overdue(broker, job):
        return
    try:
        service = broker.service(job.service)
        kept = await fetch_job_inputs(broker, service, job)
        changes = await hand_up(broker, provider_of(broker, job), service, kept)
    except (MediaError, Invalid, Rejected) as refusal:
        await end_badly(broker, job, reason="input_unusable", error=str(refusal))
        return
    except Throttled as trouble:
        log.warning("inputs.not_handed_up", job_id=str(job.id), detail=trouble.detail)
        await rest(broker, job, delay_s=trouble.retry_after_s)
        return
    message = " ".join([*([job.message] if job.message else []), *changes]) or None
    async with broker.db.transaction() as db:
        if not await queries.write(db, job, inputs=kept, message=message, prepared=True):
            raise LeaseLost(str(job.id))
        await queries.rest(db, job, delay_s=0, lease_s=broker.settings.lease_s)
    broker.doorbell.ring(job.lane)


async def _poll(broker: Broker, job: Job, attempt: JobAttempt) -> None:
    assert attempt.task_id is not None
    try:
        report = await ask(broker, job, attempt, attempt.task_id)
    except Throttled as trouble:
        log.warning("job.not_told", job_id=str(job.id), detail=trouble.detail)
        if not await end_if_overdue(broker, job):
            await rest(broker, job, delay_s=RETRY_S)
        return
    match report.verdict:
        case Done() as done:
            await _finish(broker, job, attempt, done)
        case Failed() as failed:
            async with broker.db.transaction() as db:
                await queries.answer_attempt(
                    db, attempt.id, AttemptOutcome.FAILED, cost=failed.cost, detail=failed.detail
                )
                await fail(db, job, reason="upstream_failed", error=failed.reason)
        case Working() as working:
            await _wait(broker, job, working)
        case Missing():
            await _miss(broker, job, attempt)


async def _finish(broker: Broker, job: Job, attempt: JobAttempt, done: Done) -> None:
    async with broker.db.transaction() as db:
        await queries.answer_attempt(db, attempt.id, AttemptOutcome.DONE, cost=done.cost)
        await advance_state(db, job, JobState.STORING)
        outputs = {"urls": list(done.outputs.urls), "values": dict(done.outputs.values)}
        await queries.write(db, job, outputs=outputs, is_generating=True)
        job.outputs = dict(outputs)
    await _store(broker, job)


async def _wait(broker: Broker, job: Job, working: Working) -> None:
    if await end_if_overdue(broker, job):
        return
    async with broker.db.transaction() as db:
        if not await queries.write(db, job, is_generating=working.is_generating, progress=working.progress):
            raise LeaseLost(str(job.id))
        await queries.rest(db, job, delay_s=_interval(broker, job), lease_s=broker.settings.lease_s)


async def _miss(broker: Broker, job: Job, attempt: JobAttempt) -> None:
    """Upstream does not know the task: perhaps not yet."""
    assert attempt.answered_at is not None
    if seconds_since(attempt.answered_at, broker, job) < MISSING_S:
        await rest(broker, job, delay_s=RETRY_S)
    else:
        await end_badly(broker, job, reason="upstream_lost", error="The provider lost the task", is_flagged=True)


async def _store(broker: Broker, job: Job) -> None:
    """Fetch and keep what was made. What may work later is tried again; a wrong file is a failure."""
    outputs = Outputs(urls=tuple(job.outputs.get("urls", ())), values=job.outputs.get("values", {}))
    try:
        await store_outputs(broker, job, outputs)
    except FetchFailed as trouble:
        most = GONE_TRIES if isinstance(trouble, FileGone) else broker.settings.result_tries
        await _store_later(broker, job, trouble, most=most)
    except StorageFailed:
        log.exception("result.not_stored", job_id=str(job.id))
        if not await end_if_overdue(broker, job):
            await rest(broker, job, delay_s=STORE_REST_S)
    except MediaError as refusal:
        log.warning("result.refused", job_id=str(job.id), error=str(refusal))
        error = "The provider did not deliver a usable file"
        await end_badly(broker, job, reason="result_unusable", error=error, is_flagged=True)


async def _store_later(broker: Broker, job: Job, trouble: FetchFailed, *, most: int) -> None:
    tries = int(job.outputs.get("tries", 0)) + 1
    log.warning("result.not_fetched", job_id=str(job.id), tries=tries, error=str(trouble))
    if tries >= most or is_overdue(broker, job):
        error = "The provider's result could not be fetched"
        await end_badly(broker, job, reason="result_lost", error=error, is_flagged=True)
        return
    async with broker.db.transaction() as db:
        if not await queries.write(db, job, outputs=job.outputs | {"tries": tries}):
            raise LeaseLost(str(job.id))
        delay_s = min(2**tries, STORE_MOST_S)
        await queries.rest(db, job, delay_s=delay_s, lease_s=broker.settings.lease_s)


def _interval(broker: Broker, job: Job) -> float:
    """Seconds to the next poll: a quarter of the job's age, within bounds, spread so that jobs do not march in step."""
    usual_s = min(max(seconds_since(job.created_at, broker, job) / 4, POLL_FIRST_S), POLL_MOST_S)
    return usual_s * random.uniform(0.8, 1.2)  # noqa: S311 - spread, no secret

"""Sending a task to its provider: once, whatever happens. Where the answer is lost the job becomes unclear."""

import asyncio
from dataclasses import replace

import structlog

from app.catalog.model import Form
from app.catalog.rules import settle
from app.errors import Broken, Invalid, ProviderError, Rejected, Throttled, Unclear
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.jobs.states import AttemptOutcome, JobState, LeaseLost
from app.providers.port import Task
from app.services.broker import Broker
from app.services.end_job import advance_state, fail
from app.services.fetch_inputs import open_inputs
from app.services.stepping import form_of, key_of, provider_of
from app.services.uncut import uncut, written

log = structlog.get_logger()


async def send_task(broker: Broker, job: Job, attempt: JobAttempt, secret: str) -> None:
    """Send the task of a job in `submitting`, whose attempt was committed by the claim. Raises LeaseLost.

    It is paid for from the first byte on. The answer is waited for and written down before anything else, whatever
    becomes of the job or of this step meanwhile: what was bought is known from there on.
    """
    try:
        answer = await uncut(_send_once(broker, job, attempt, secret))
        if isinstance(answer, str):
            await _accepted(broker, job)
        else:
            await _not_accepted(broker, job, attempt, answer)
    except (LeaseLost, asyncio.CancelledError):
        # We stood still for longer than our lease, or have to stop: whoever has the job now shall look at the answer.
        async with broker.db.statement() as db:
            await queries.wake(db, job.id)
        broker.doorbell.ring(job.lane)
        raise


async def _send_once(broker: Broker, job: Job, attempt: JobAttempt, secret: str) -> str | ProviderError:
    """The task's id, or why there is none, in the attempt already unless nobody knows."""
    try:
        task_id = await _send(broker, job, attempt, secret)
    except ProviderError as trouble:
        log.warning("job.not_accepted", job_id=str(job.id), verdict=type(trouble).__name__, detail=trouble.detail)
        if not isinstance(trouble, Unclear):
            detail = trouble.detail
            await written(
                broker, lambda db: queries.answer_attempt(db, attempt.id, AttemptOutcome.REFUSED, detail=detail)
            )
        return trouble
    await written(
        broker, lambda db: queries.answer_attempt(db, attempt.id, AttemptOutcome.ACCEPTED, task_id=task_id)
    )
    return task_id


async def go_on_sending(broker: Broker, job: Job, attempt: JobAttempt) -> None:
    """The worker that sent the task is gone: act upon its answer if it got as far as to write it down.

    Raises LeaseLost.
    """
    if attempt.task_id is not None:
        await _accepted(broker, job)
    elif attempt.outcome is AttemptOutcome.REFUSED:
        await _back_into_line(broker, job, delay_s=0)
    else:
        await _lose_track(broker, job, attempt, "the worker died while it sent the request")


async def _send(broker: Broker, job: Job, attempt: JobAttempt, secret: str) -> str:
    provider, form = provider_of(broker, job), form_of(broker, job, attempt)
    task = await _task_of(broker, form, job)
    public_url = broker.settings.public_url
    callback_url = f"{public_url}/api/v1/callbacks/{provider.name}/{secret}" if public_url else None
    async with broker.db.statement() as db:
        # Whoever stood still since the claim, or whose client has cancelled meanwhile, must not buy anything now.
        if not await queries.keep(db, job.id, job.fence, lease_s=broker.settings.lease_s):
            raise LeaseLost(str(job.id))
    key = key_of(provider, attempt.provider_key)
    return await provider.submit(key, task, dialect=form.dialect, callback_url=callback_url)


async def _task_of(broker: Broker, form: Form, job: Job) -> Task:
    """What is sent. Raises Rejected where the settings have changed so that the provider cannot serve it any more."""
    try:
        request, _ = settle(broker.service(job.service).request.model_validate(job.request), form.rules)
    except Invalid as refusal:
        raise Rejected(refusal.message) from refusal
    task = form.task(request, await open_inputs(broker, job.inputs))
    return replace(task, model=broker.settings.upstream_models.get(task.model, task.model))


async def _accepted(broker: Broker, job: Job) -> None:
    """The provider has the task: wait for as long as it usually takes, or for its callback."""
    delay_s = broker.service(job.service).usual_s
    async with broker.db.transaction() as db:
        await advance_state(db, job, JobState.RUNNING)
        await queries.rest(db, job, delay_s=delay_s, lease_s=broker.settings.lease_s)


async def _not_accepted(broker: Broker, job: Job, attempt: JobAttempt, trouble: ProviderError) -> None:
    if isinstance(trouble, Unclear):
        await _lose_track(broker, job, attempt, trouble.detail)
    elif isinstance(trouble, Throttled):
        if trouble.is_about_key:
            async with broker.db.statement() as db:
                await queries.rest_key(db, attempt.provider, attempt.provider_key, for_s=trouble.retry_after_s)
        await _back_into_line(broker, job, delay_s=0 if trouble.is_about_key else trouble.retry_after_s)
    else:
        assert isinstance(trouble, Rejected | Broken)
        async with broker.db.transaction() as db:
            await fail(db, job, reason=type(trouble).__name__.lower(), error=trouble.message)


async def _back_into_line(broker: Broker, job: Job, *, delay_s: float) -> None:
    async with broker.db.transaction() as db:
        await advance_state(db, job, JobState.QUEUED)
        await queries.rest(db, job, delay_s=delay_s, lease_s=broker.settings.lease_s)


async def _lose_track(broker: Broker, job: Job, attempt: JobAttempt, detail: str) -> None:
    """Nobody knows whether the request was taken: wait for a callback that proves it, and never send it again."""
    is_hinted = attempt.hinted_task_id is not None
    async with broker.db.transaction() as db:
        await queries.answer_attempt(db, attempt.id, AttemptOutcome.LOST, detail=detail)
        await advance_state(db, job, JobState.UNCLEAR)
        delay_s = 0 if is_hinted else broker.settings.grace_s
        await queries.rest(db, job, delay_s=delay_s, lease_s=broker.settings.lease_s)
    if is_hinted:
        broker.doorbell.ring(job.lane)

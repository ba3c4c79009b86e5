"""One step of a provider's job: hand up its inputs, send it, ask how it stands, or store what it made.

A step is three acts: the claim that came before (committed), a call outside, and the record of its outcome (committed).
"""

import random
from dataclasses import replace
from datetime import UTC, datetime
from typing import assert_never

import structlog

from app.catalog.model import Form, Service, UpstreamTask
from app.catalog.rules import settle
from app.errors import Broken, FetchFailed, Invalid, MediaError, ProviderError, Rejected, Throttled, Unclear
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.jobs.states import AttemptOutcome, JobState
from app.providers.port import Done, Failed, Missing, Outputs, ProviderKey, Task, TaskProvider, TaskReport, Working
from app.services.broker import Broker
from app.services.end_job import LeaseLost, advance_state, fail
from app.services.fetch_inputs import fetch_job_inputs, hand_up, open_inputs
from app.services.forms import form_of_dialect
from app.services.leases import keeping
from app.services.store_results import store_outputs
from app.services.take_work import Step, hash_callback_secret

log = structlog.get_logger()

POLL_FIRST_S = 2.0
POLL_MOST_S = 30.0
RETRY_S = 5.0
# KIE may not show a new task for some seconds; after this long a task that is missing was lost upstream.
MISSING_S = 120.0
STORE_TRIES = 6


async def advance(broker: Broker, step: Step) -> None:
    """Do the step that the job's state calls for. Whatever it finds is committed when this returns.

    Raises LeaseLost when the job is not ours any more; then nothing was changed.
    """
    job = step.job
    async with keeping(broker, job):
        match job.state:
            case JobState.QUEUED:
                await _prepare(broker, job)
            case JobState.SUBMITTING if step.secret is not None and step.attempt is not None:
                await _submit(broker, job, step.attempt, step.secret)
            case JobState.SUBMITTING if step.attempt is not None and step.attempt.task_id is not None:
                await _accepted(broker, job)
            case JobState.SUBMITTING:
                await _lose_track(broker, job, step.attempt, "the worker died while it sent the request")
            case JobState.UNCLEAR:
                await _resolve_unclear(broker, job, step.attempt)
            case JobState.RUNNING:
                await _poll(broker, job, step.attempt)
            case JobState.STORING:
                await _store(broker, job)
            case JobState.SUCCEEDED | JobState.FAILED | JobState.CANCELLED:
                raise LeaseLost(f"{job.id} has ended")
            case _ as never:
                assert_never(never)


def _provider(broker: Broker, job: Job) -> TaskProvider:
    return broker.providers[job.lane]


def _key(provider: TaskProvider, fingerprint: str) -> ProviderKey:
    """The key under which an attempt was made; if it was taken out of the settings, another may still see the task."""
    return next((key for key in provider.keys if key.fingerprint == fingerprint), provider.keys[0])


async def _prepare(broker: Broker, job: Job) -> None:
    """Fetch the inputs and hand them up, so that the job can wait in line for its turn."""
    if await _end_if_overdue(broker, job):
        return
    provider, service = _provider(broker, job), broker.service(job.service)
    try:
        kept = await fetch_job_inputs(broker, service, job)
        await hand_up(broker, provider, kept)
    except (MediaError, Invalid, Rejected) as refusal:
        await _fail(broker, job, reason="input_unusable", error=str(refusal))
        return
    except Throttled as trouble:
        log.warning("inputs.not_handed_up", job_id=str(job.id), detail=trouble.detail)
        await _rest(broker, job, delay_s=trouble.retry_after_s)
        return
    async with broker.db.transaction() as db:
        if not await queries.write(db, job, inputs=kept, prepared=True):
            raise LeaseLost(str(job.id))
        await queries.rest(db, job, delay_s=0, lease_s=broker.settings.lease_s)
    broker.doorbell.ring(job.lane)


async def _submit(broker: Broker, job: Job, attempt: JobAttempt, secret: str) -> None:
    provider = _provider(broker, job)
    service = broker.service(job.service)
    assert isinstance(service.run, UpstreamTask)
    form = form_of_dialect(service.run, attempt.dialect)
    public_url = broker.settings.public_url
    callback_url = f"{public_url}/api/v1/callbacks/{provider.name}/{secret}" if public_url else None
    try:
        task = await _task_of(broker, service, form, job)
        task_id = await provider.submit(
            _key(provider, attempt.provider_key), task, dialect=form.dialect, callback_url=callback_url
        )
    except ProviderError as trouble:
        await _not_accepted(broker, job, attempt, trouble)
        return
    # On its own: what was taken is known, and paid, even if the job was cancelled meanwhile.
    async with broker.db.statement() as db:
        await queries.answer_attempt(db, attempt.id, AttemptOutcome.ACCEPTED, task_id=task_id)
    await _accepted(broker, job)


async def _accepted(broker: Broker, job: Job) -> None:
    """The provider has the task: wait for as long as it usually takes, or for its callback."""
    delay_s = broker.service(job.service).usual_s
    async with broker.db.transaction() as db:
        await advance_state(db, job, JobState.RUNNING)
        await queries.rest(db, job, delay_s=delay_s, lease_s=broker.settings.lease_s)


async def _task_of(broker: Broker, service: Service, form: Form, job: Job) -> Task:
    """What is sent. Raises Rejected where the settings have changed so that the provider cannot serve it any more."""
    try:
        request, _ = settle(service.request.model_validate(job.request), form.rules)
    except Invalid as refusal:
        raise Rejected(refusal.message) from refusal
    task = form.task(request, await open_inputs(broker, job.inputs))
    return replace(task, model=broker.settings.upstream_models.get(task.model, task.model))


async def _not_accepted(broker: Broker, job: Job, attempt: JobAttempt, trouble: ProviderError) -> None:
    log.warning("job.not_accepted", job_id=str(job.id), verdict=type(trouble).__name__, detail=trouble.detail)
    if isinstance(trouble, Unclear):
        await _lose_track(broker, job, attempt, trouble.detail)
    elif isinstance(trouble, Throttled):
        async with broker.db.transaction() as db:
            await queries.answer_attempt(db, attempt.id, AttemptOutcome.REFUSED, detail=trouble.detail)
            if trouble.is_about_key:
                await queries.rest_key(db, attempt.provider, attempt.provider_key, for_s=trouble.retry_after_s)
            await advance_state(db, job, JobState.QUEUED)
            delay_s = 0 if trouble.is_about_key else trouble.retry_after_s
            await queries.rest(db, job, delay_s=delay_s, lease_s=broker.settings.lease_s)
    else:
        assert isinstance(trouble, Rejected | Broken)
        async with broker.db.transaction() as db:
            await queries.answer_attempt(db, attempt.id, AttemptOutcome.REFUSED, detail=trouble.detail)
            await fail(db, job, reason=type(trouble).__name__.lower(), error=trouble.message)


async def _lose_track(broker: Broker, job: Job, attempt: JobAttempt | None, detail: str) -> None:
    """Nobody knows whether the request was taken: wait for a callback that proves it, and never send it again."""
    async with broker.db.transaction() as db:
        if attempt is not None:
            await queries.answer_attempt(db, attempt.id, AttemptOutcome.LOST, detail=detail)
        await advance_state(db, job, JobState.UNCLEAR)
        await queries.rest(db, job, delay_s=broker.settings.grace_s, lease_s=broker.settings.lease_s)


async def _resolve_unclear(broker: Broker, job: Job, attempt: JobAttempt | None) -> None:
    """Adopt the task that a callback pointed at, if upstream says that it is ours; give up after the grace period."""
    assert attempt is not None
    assert attempt.answered_at is not None
    waited_s = (datetime.now(UTC) - attempt.answered_at).total_seconds()
    if attempt.hinted_task_id is not None:
        try:
            report = await _ask(broker, job, attempt, attempt.hinted_task_id)
        except Throttled:
            await _rest(broker, job, delay_s=RETRY_S)
            return
        if _is_ours(report, attempt):
            async with broker.db.transaction() as db:
                await queries.answer_attempt(db, attempt.id, AttemptOutcome.ACCEPTED, task_id=attempt.hinted_task_id)
                await advance_state(db, job, JobState.RUNNING)
                await queries.rest(db, job, delay_s=0, lease_s=broker.settings.lease_s)
            broker.doorbell.ring(job.lane)
            return
    if waited_s >= broker.settings.grace_s or _is_overdue(job):
        error = "The provider's answer was lost and the work could not be found; the credits were returned"
        await _fail(broker, job, reason="unclear", error=error, is_flagged=True)
        return
    await _rest(broker, job, delay_s=broker.settings.grace_s - waited_s)


def _is_ours(report: TaskReport, attempt: JobAttempt) -> bool:
    secret = (report.callback_url or "").rsplit("/", 1)[-1]
    return attempt.secret_hash is not None and hash_callback_secret(secret) == attempt.secret_hash


async def _ask(broker: Broker, job: Job, attempt: JobAttempt, task_id: str) -> TaskReport:
    provider = _provider(broker, job)
    task = broker.service(job.service).run
    assert isinstance(task, UpstreamTask)
    dialect = form_of_dialect(task, attempt.dialect).dialect
    return await provider.query(_key(provider, attempt.provider_key), task_id, dialect=dialect)


async def _poll(broker: Broker, job: Job, attempt: JobAttempt | None) -> None:
    assert attempt is not None
    assert attempt.task_id is not None
    try:
        report = await _ask(broker, job, attempt, attempt.task_id)
    except Throttled as trouble:
        log.warning("job.not_told", job_id=str(job.id), detail=trouble.detail)
        if not await _end_if_overdue(broker, job):
            await _rest(broker, job, delay_s=RETRY_S)
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
    if await _end_if_overdue(broker, job):
        return
    async with broker.db.transaction() as db:
        if not await queries.write(db, job, is_generating=working.is_generating, progress=working.progress):
            raise LeaseLost(str(job.id))
        await queries.rest(db, job, delay_s=_interval(job), lease_s=broker.settings.lease_s)


async def _miss(broker: Broker, job: Job, attempt: JobAttempt) -> None:
    """Upstream does not know the task: perhaps not yet."""
    assert attempt.answered_at is not None
    if (datetime.now(UTC) - attempt.answered_at).total_seconds() < MISSING_S:
        await _rest(broker, job, delay_s=RETRY_S)
    else:
        await _fail(broker, job, reason="upstream_lost", error="The provider lost the task", is_flagged=True)


async def _store(broker: Broker, job: Job) -> None:
    """Fetch and keep what was made. An address that does not answer is tried again; a wrong file is a failure."""
    outputs = Outputs(urls=tuple(job.outputs.get("urls", ())), values=job.outputs.get("values", {}))
    try:
        await store_outputs(broker, job, outputs)
    except FetchFailed as trouble:
        tries = int(job.outputs.get("tries", 0)) + 1
        log.warning("result.not_fetched", job_id=str(job.id), tries=tries, error=str(trouble))
        if tries >= STORE_TRIES or _is_overdue(job):
            error = "The provider's result could not be fetched"
            await _fail(broker, job, reason="result_lost", error=error, is_flagged=True)
            return
        async with broker.db.transaction() as db:
            await queries.write(db, job, outputs=job.outputs | {"tries": tries})
            await queries.rest(db, job, delay_s=2**tries, lease_s=broker.settings.lease_s)
    except MediaError as refusal:
        log.warning("result.refused", job_id=str(job.id), error=str(refusal))
        error = "The provider did not deliver a usable file"
        await _fail(broker, job, reason="result_unusable", error=error, is_flagged=True)


def _is_overdue(job: Job) -> bool:
    return job.deadline_at <= datetime.now(UTC)


async def _end_if_overdue(broker: Broker, job: Job) -> bool:
    if not _is_overdue(job):
        return False
    await _fail(broker, job, reason="expired", error="The job took too long", is_flagged=job.state is JobState.RUNNING)
    return True


def _interval(job: Job) -> float:
    """Seconds to the next poll: a quarter of the job's age, within bounds, spread so that jobs do not march in step."""
    age_s = (datetime.now(UTC) - job.created_at).total_seconds()
    return min(max(age_s / 4, POLL_FIRST_S), POLL_MOST_S) * random.uniform(0.8, 1.2)  # noqa: S311 - spread, no secret


async def _rest(broker: Broker, job: Job, *, delay_s: float) -> None:
    async with broker.db.statement() as db:
        if not await queries.rest(db, job, delay_s=delay_s, lease_s=broker.settings.lease_s):
            raise LeaseLost(str(job.id))


async def _fail(broker: Broker, job: Job, *, reason: str, error: str, is_flagged: bool = False) -> None:
    async with broker.db.transaction() as db:
        await fail(db, job, reason=reason, error=error, is_flagged=is_flagged)
    log.info("job.failed", job_id=str(job.id), service=job.service, reason=reason)

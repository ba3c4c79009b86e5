"""What the steps of a provider's job have in common: whom to ask, and how a step ends without an end of its job."""

from datetime import datetime

import structlog

from app.catalog.model import Form, UpstreamTask
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.jobs.states import JobState, LeaseLost
from app.providers.port import ProviderKey, TaskProvider, TaskReport
from app.services.broker import Broker
from app.services.end_job import fail
from app.services.forms import form_of_dialect

log = structlog.get_logger()

RETRY_S = 5.0
# KIE may not show a new task for some seconds; after this long a task that is missing was lost upstream.
MISSING_S = 120.0


def provider_of(broker: Broker, job: Job) -> TaskProvider:
    """Who makes it: a lane of tasks has its provider's name."""
    return broker.providers[job.lane]


def form_of(broker: Broker, job: Job, attempt: JobAttempt) -> Form:
    """The way by which the attempt was made."""
    run = broker.service(job.service).run
    assert isinstance(run, UpstreamTask)
    return form_of_dialect(run, attempt.dialect)


def key_of(provider: TaskProvider, fingerprint: str) -> ProviderKey:
    """The key under which an attempt was made; if it was taken out of the settings, another may still see the task."""
    return next((key for key in provider.keys if key.fingerprint == fingerprint), provider.keys[0])


async def ask(broker: Broker, job: Job, attempt: JobAttempt, task_id: str) -> TaskReport:
    """How the provider says that a task stands. Raises Throttled."""
    provider = provider_of(broker, job)
    key = key_of(provider, attempt.provider_key)
    return await provider.query(key, task_id, dialect=form_of(broker, job, attempt).dialect)


async def rest(broker: Broker, job: Job, *, delay_s: float) -> None:
    """Let go of the job; its next step is due in so many seconds. Raises LeaseLost."""
    async with broker.db.statement() as db:
        if not await queries.rest(db, job, delay_s=delay_s, lease_s=broker.settings.lease_s):
            raise LeaseLost(str(job.id))


async def end_badly(broker: Broker, job: Job, *, reason: str, error: str, is_flagged: bool = False) -> None:
    """Fail the job in a transaction of its own (see app.services.end_job.fail). Raises LeaseLost."""
    async with broker.db.transaction() as db:
        await fail(db, job, reason=reason, error=error, is_flagged=is_flagged)
    log.info("job.failed", job_id=str(job.id), service=job.service, reason=reason)


def seconds_since(instant: datetime, broker: Broker, job: Job) -> float:
    """Seconds from then to when this step of the job began, both by Postgres' clock: that of this machine may be wrong,
    and what is overdue is given back."""
    return (queries.leased_at(job, lease_s=broker.settings.lease_s) - instant).total_seconds()


def is_overdue(broker: Broker, job: Job) -> bool:
    """Whether the job was past its deadline when this step began."""
    return seconds_since(job.deadline_at, broker, job) >= 0


async def end_if_overdue(broker: Broker, job: Job) -> bool:
    """Fail a job past its deadline; the operator is told where something may have been paid. Raises LeaseLost."""
    if not is_overdue(broker, job):
        return False
    has_cost = job.state is not JobState.QUEUED
    await end_badly(broker, job, reason="expired", error="The job took too long", is_flagged=has_cost)
    return True

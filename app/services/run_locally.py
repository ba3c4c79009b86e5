"""One job of local work, from its inputs to its stored result, under one lease that is kept alive."""

import asyncio
from pathlib import Path

import structlog

from app.catalog.model import LocalWork, Made, Progress, Service, Work
from app.errors import InsufficientCredits, MediaError, ProviderError, StorageFailed, Unclear
from app.jobs import queries
from app.jobs.models import Job
from app.jobs.states import JobState, LeaseLost
from app.ledger import find_affordable
from app.media.process import work_folder
from app.services.broker import Broker
from app.services.end_job import advance_state
from app.services.fetch_inputs import fetch_job_inputs, open_inputs
from app.services.leases import keeping
from app.services.paid_calls import JobCalls
from app.services.stepping import end_badly, seconds_since
from app.services.store_results import store_made

log = structlog.get_logger()

# Local work is repeatable; a job that has cost its worker's life this often is to blame itself.
RUNS_MOST = 3
STORE_REST_S = 30.0


async def run_locally(broker: Broker, job: Job) -> None:
    """Run the job's recipe and store what it makes. Cancelled, it leaves no process and no file behind.

    Raises LeaseLost when the job is not ours any more.
    """
    percent = 0.0

    def progress(value: float) -> None:
        nonlocal percent
        percent = value

    async with keeping(broker, job, progress=lambda: int(percent)):
        try:
            await _run(broker, job, progress)
        except MediaError as refusal:
            await end_badly(broker, job, reason="input_unusable", error=str(refusal))
        except InsufficientCredits as shortage:
            await end_badly(broker, job, reason=shortage.code, error=shortage.message)
        except ProviderError as trouble:
            await end_badly(broker, job, reason=type(trouble).__name__.lower(), error=trouble.message,
                        is_flagged=isinstance(trouble, Unclear))
        except TimeoutError:
            await end_badly(broker, job, reason="expired", error="The work took too long")
        except StorageFailed:
            # Nothing is wrong with the work: it waits for the store, and does not count as a run.
            log.exception("result.not_stored", job_id=str(job.id))
            async with broker.db.transaction() as db:
                await queries.write(db, job, tries=job.tries)
                await queries.rest(db, job, delay_s=STORE_REST_S, lease_s=broker.settings.lease_s)


async def _run(broker: Broker, job: Job, progress: Progress) -> None:
    service = broker.service(job.service)
    assert isinstance(service.run, LocalWork)
    if job.tries >= RUNS_MOST:
        await end_badly(broker, job, reason="broken", error="The work could not be done", is_flagged=True)
        return
    with work_folder(broker.settings.work_dir) as folder:
        left_s = max(0.0, -seconds_since(job.deadline_at, broker, job))
        async with asyncio.timeout(min(service.run.time_limit_s, left_s)):
            made = await _make(broker, job, service, folder, progress)
        async with broker.db.transaction() as db:
            if job.state is JobState.RUNNING:
                await advance_state(db, job, JobState.STORING)
        await store_made(broker, job, made)


async def _make(broker: Broker, job: Job, service: Service, folder: Path, progress: Progress) -> Made:
    assert isinstance(service.run, LocalWork)
    kept = await fetch_job_inputs(broker, service, job)
    async with broker.db.statement() as db:
        if not await queries.write(db, job, inputs=kept, is_generating=True, tries=job.tries + 1):
            raise LeaseLost(str(job.id))
        affordable = await find_affordable(db, job.account_id, job.key_id)
    inputs = await open_inputs(broker, kept, folder)
    rates = await broker.rates.of(service.id, service.rates)
    request = service.request.model_validate(job.request)
    calls = JobCalls(broker, job, folder)
    return await service.run.run(
        Work(request, inputs, folder, progress, rates.rates, affordable, calls, broker.settings)
    )

"""Keeping a lease while a step runs, and stopping the step when it is lost."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.errors import DatabaseAway
from app.jobs import queries
from app.jobs.models import Job
from app.jobs.states import LeaseLost
from app.services.broker import Broker

log = structlog.get_logger()


@asynccontextmanager
async def keeping(
    broker: Broker, job: Job, *, progress: Callable[[], int | None] = lambda: None
) -> AsyncIterator[None]:
    """Lengthen the job's lease at every third of it, with the progress there is, while the block runs.

    When the lease is lost (the job ended, another worker has it, or Postgres was away for a whole lease) the block is
    cancelled and LeaseLost is raised: what it was doing must not be finished. What it is paying for just then is, and
    is written down (app.services.uncut).
    """
    lease_s = broker.settings.lease_s
    owner = asyncio.current_task()
    assert owner is not None
    lost = False

    async def keep() -> None:
        nonlocal lost
        kept_at = time.monotonic()
        while time.monotonic() - kept_at < lease_s:
            await asyncio.sleep(lease_s / 3)
            try:
                async with broker.db.statement() as db:
                    if not await queries.keep(db, job.id, job.fence, lease_s=lease_s, progress=progress()):
                        break
                kept_at = time.monotonic()
            except (DatabaseAway, SQLAlchemyError) as error:
                log.warning("lease.not_kept", job_id=str(job.id), error=repr(error))
        lost = True
        owner.cancel()

    keeper = asyncio.create_task(keep())
    try:
        yield
    except asyncio.CancelledError:
        if not lost:
            raise
        owner.uncancel()
        raise LeaseLost(str(job.id)) from None
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper

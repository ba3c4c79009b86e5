"""What is done by the clock: ending what is overdue, forgetting what is old, checking the sums and the purses."""

from datetime import timedelta

import structlog
from sqlalchemy import func, select, text

from app.catalog.loader import waiting_lanes
from app.errors import Throttled
from app.files.register import take_expired
from app.jobs import queries
from app.jobs.states import JobState, LeaseLost
from app.jobs.wire import MEDIA_LANE
from app.ledger import find_last_audit, record_audit
from app.providers.openrouter import OpenRouter
from app.providers.port import ProviderKey, PurseHolder
from app.purses.readings import keep_reading, newest_readings
from app.services.audit_ledger import audit_ledger
from app.services.broker import Broker
from app.services.end_job import fail

log = structlog.get_logger()

BATCH = 100
# A running job gets this long for one more look upstream before it can be ended from here.
LAST_LOOK_S = 30.0
AUDIT_EVERY_S = 300.0


async def expire_jobs(broker: Broker) -> int:
    """End jobs past their deadline, with a refund. Answers how many.

    Where something may have been paid upstream the job's own step ends it, after one more question; this ends those
    that nobody can ask about, and those whose last step broke.
    """
    calls = [OpenRouter.name] if broker.openrouter else []
    looked_after = {*broker.providers, *waiting_lanes(), *calls, MEDIA_LANE}
    async with broker.db.statement() as db:
        overdue = await queries.list_overdue(db, lanes=looked_after, after_s=LAST_LOOK_S, limit=BATCH)
    ended = 0
    for job in overdue:
        has_cost = job.state is not JobState.QUEUED
        try:
            async with broker.db.transaction() as db:
                await fail(db, job, reason="expired", error="The job took too long", is_flagged=has_cost)
            ended += 1
        except LeaseLost:
            continue
    return ended


async def remove_expired_files(broker: Broker) -> int:
    """Delete the bytes of files past their time. Answers how many."""
    async with broker.db.transaction() as db:
        files = await take_expired(db, limit=BATCH)
    for file in files:
        await broker.storage.delete(file.storage_key)
    return len(files)


async def forget_old_keys(broker: Broker) -> None:
    """Drop idempotency keys past their time."""
    async with broker.db.statement() as db:
        await db.execute(text("DELETE FROM idempotency_keys WHERE expires_at < now()"))


async def audit_by_the_clock(broker: Broker) -> None:
    """Run the ledger's audit, log what breaks and write down how much, unless another worker has just done so."""
    async with broker.db.statement() as db:
        last = await find_last_audit(db)
    if last is not None and last.age_s < AUDIT_EVERY_S / 2:
        return
    report = await audit_ledger(broker.db)
    for violation in report.violations:
        log.error("audit.violation", rule=violation.rule, subject=violation.subject, detail=violation.detail)
    async with broker.db.statement() as db:
        await record_audit(db, report)


async def look_into_purses(broker: Broker) -> None:
    """Ask every provider what is left under each key, and keep it, unless another worker has just done so."""
    for holder in broker.purses.holders:
        for key in holder.keys:
            await _look_into(broker, holder, key)


async def _look_into(broker: Broker, holder: PurseHolder, key: ProviderKey) -> None:
    async with broker.db.statement() as db:
        at = (await db.execute(select(func.clock_timestamp()))).scalar_one()
        known = await newest_readings(db, {holder.name: [key.fingerprint]})
    if known and at - known[0].seen_at < timedelta(seconds=broker.settings.purse_look_s / 2):
        return
    try:
        purse = await holder.purse(key)
    except Throttled as trouble:
        log.warning("purse.not_told", provider=holder.name, key=key.fingerprint, detail=trouble.detail)
        return
    async with broker.db.statement() as db:
        await keep_reading(
            db, provider=holder.name, fingerprint=key.fingerprint, left=purse.left, spent=purse.spent, at=at
        )

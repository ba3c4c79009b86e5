"""Moving a job, and ending it together with its money, on a real Postgres."""

import asyncio

import pytest
from sqlalchemy import text

from app.db.engine import Database
from app.jobs import queries
from app.jobs.states import ALLOWED, IllegalMove, JobState, LeaseLost, move
from app.services.audit_ledger import audit_ledger
from app.services.end_job import cancel, fail, succeed
from tests.books import balance_of, view
from tests.factories import make_job, make_tenant


async def test_a_move_is_made_from_its_source_by_the_holder_of_the_lease_and_written_down(database: Database) -> None:
    job = await make_job(database, await make_tenant(database))
    queued, running = JobState.QUEUED, JobState.RUNNING

    async with database.transaction() as db:
        assert not await move(db, job.id, source=queued, target=running, fence=job.fence + 1)
        assert await move(db, job.id, source=queued, target=running, fence=job.fence, detail="why")
        assert not await move(db, job.id, source=queued, target=running, fence=job.fence)
        events = await queries.list_events(db, job.id)

    assert [(event.source, event.target, event.detail) for event in events] == [("queued", "running", "why")]


async def test_a_move_that_the_table_does_not_have_is_a_mistake(database: Database) -> None:
    job = await make_job(database, await make_tenant(database))

    for source in JobState:
        for target in set(JobState) - ALLOWED[source]:
            with pytest.raises(IllegalMove):
                async with database.transaction() as db:
                    await move(db, job.id, source=source, target=target)


async def test_of_ten_that_move_at_once_one_does(database: Database) -> None:
    job = await make_job(database, await make_tenant(database))

    async def start() -> bool:
        async with database.transaction() as db:
            return await move(db, job.id, source=JobState.QUEUED, target=JobState.RUNNING)

    assert sum(await asyncio.gather(*(start() for _ in range(10)))) == 1


async def test_an_end_and_its_refund_are_one_transaction(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4")

    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as db:
            await cancel(db, job)
            _ = 1 / 0
    assert await balance_of(database, tenant) == view("6")
    async with database.transaction() as db:
        assert await cancel(db, job)

    assert await balance_of(database, tenant) == view("10")
    assert (await audit_ledger(database)).is_clean


async def test_who_lost_the_lease_ends_nothing(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4")
    async with database.transaction() as db:
        await db.execute(text("UPDATE jobs SET fence = fence + 1"))

    with pytest.raises(LeaseLost):
        async with database.transaction() as db:
            await fail(db, job, reason="broken", error="It broke")

    assert await balance_of(database, tenant) == view("6")


async def test_an_end_is_final(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4")
    async with database.transaction() as db:
        await move(db, job.id, source=JobState.QUEUED, target=JobState.RUNNING)
        await move(db, job.id, source=JobState.RUNNING, target=JobState.STORING)
        stored = (await queries.load(db, [job.id]))[0]
        assert await succeed(db, stored, result={}) == 4

    async with database.transaction() as db:
        assert not await cancel(db, stored)
        with pytest.raises(LeaseLost):
            await fail(db, stored, reason="broken", error="It broke")

    assert await balance_of(database, tenant) == view("6")
    assert (await audit_ledger(database)).is_clean

"""Whose turn it is: accounts take turns, whatever waits, and so do the workers that share a provider's limit."""

import asyncio

from sqlalchemy import text

from app.db.engine import Database
from app.jobs import queries
from app.jobs.states import JobState
from tests.factories import make_job, make_tenant


async def test_several_jobs_of_one_account_are_started_together_and_accounts_take_turns(database: Database) -> None:
    busy, other = await make_tenant(database), await make_tenant(database)
    first, second, third = [await make_job(database, busy) for _ in range(3)]
    last = await make_job(database, other)

    async with database.transaction() as db:
        await queries.lock_lane(db, "kie")
        taken = await queries.start_next(db, "kie", target=JobState.SUBMITTING, limit=3, lease_s=10)
    assert [job.id for job in taken] in ([first.id, last.id, second.id], [last.id, first.id, second.id])
    async with database.transaction() as db:
        await queries.lock_lane(db, "kie")
        rest = await queries.start_next(db, "kie", target=JobState.SUBMITTING, limit=3, lease_s=10)

    assert [job.id for job in rest] == [third.id]


async def test_who_waited_for_the_lane_takes_no_query_twice(database: Database) -> None:
    async with database.transaction() as patient:
        await patient.execute(text("SELECT now()"))
        await asyncio.sleep(0.3)
        async with database.transaction() as first:
            await queries.lock_lane(first, "kie")
            assert await queries.take_queries(first, "kie", wanted=9, per_second=20) == 5
        taken_until = await patient.scalar(text("SELECT query_at FROM lanes"))

        await queries.lock_lane(patient, "kie")
        assert await queries.take_queries(patient, "kie", wanted=9, per_second=20) == 0
        assert await patient.scalar(text("SELECT query_at FROM lanes")) == taken_until

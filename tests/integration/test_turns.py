"""Who is served next in a lane: accounts take turns, however many jobs each has waiting."""

from uuid import UUID

import pytest

from app.db.engine import Database
from app.jobs import queries
from app.jobs.states import JobState
from tests.factories import Tenant, make_job, make_tenant


@pytest.fixture
async def crowd(database: Database) -> dict[str, Tenant]:
    """Two accounts: one with four jobs in line, and after them one with a single job."""
    greedy, modest = await make_tenant(database), await make_tenant(database)
    for tenant in (greedy, greedy, greedy, greedy, modest):
        await make_job(database, tenant)
    return {"greedy": greedy, "modest": modest}


async def start(database: Database, limit: int) -> list[UUID]:
    """The accounts of the jobs that are started, in their order."""
    async with database.transaction() as db:
        await queries.lock_lane(db, "kie")
        jobs = await queries.start_next(db, "kie", target=JobState.SUBMITTING, limit=limit, lease_s=10)
    return [job.account_id for job in jobs]


async def test_jobs_of_one_account_start_together(database: Database, crowd: dict[str, Tenant]) -> None:
    started = await start(database, 10)

    assert len(started) == 5
    assert await start(database, 10) == []


async def test_everybodys_first_job_goes_before_anybodys_second(database: Database, crowd: dict[str, Tenant]) -> None:
    started = await start(database, 3)

    assert set(started[:2]) == {crowd["greedy"].account_id, crowd["modest"].account_id}
    assert started[2] == crowd["greedy"].account_id


async def test_who_was_served_longest_ago_comes_first(database: Database, crowd: dict[str, Tenant]) -> None:
    await start(database, 2)
    late = await make_tenant(database)
    await make_job(database, late)
    await make_job(database, crowd["modest"])

    assert await start(database, 1) == [late.account_id]

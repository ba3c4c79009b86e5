"""Whose turn it is: accounts take turns, whatever waits."""

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

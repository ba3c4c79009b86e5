"""Selling stops before a purse is empty: what was begun since it told, and what waits, is as good as spent."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import func, select, text

from app.db.engine import Database
from app.jobs import queries
from app.jobs.models import Job
from app.jobs.states import AttemptOutcome
from app.providers.port import ProviderKey
from app.purses.readings import keep_reading
from app.services.job_writer import JobWriter
from app.services.purses import PurseBook
from tests.factories import make_tenant, new_job
from tests.fakes.upstream import Upstream

ONE, TWO = ProviderKey.of("one"), ProviderKey.of("two")


def amount(written: str | None) -> Decimal | None:
    return None if written is None else Decimal(written)


async def told(database: Database, key: ProviderKey, left: str | None) -> None:
    async with database.statement() as db:
        at = (await db.execute(select(func.clock_timestamp()))).scalar_one()
        await keep_reading(
            db, provider="kie", fingerprint=key.fingerprint, left=amount(left), spent=None, at=at
        )


async def sell(database: Database, listed_cost: str | None) -> Job:
    """A task that waits to be sent."""
    writer = JobWriter(database)
    job = replace(new_job(await make_tenant(database)), listed_cost=amount(listed_cost))
    created = await writer.create(job)
    await writer.close()
    async with database.statement() as db:
        return (await queries.load(db, [created.job_id]))[0]


async def begin(database: Database, job: Job, outcome: AttemptOutcome, cost: str | None = None) -> None:
    """The task is sent, and answered."""
    async with database.transaction() as db:
        await db.execute(text("UPDATE jobs SET state = 'running' WHERE id = :id"), {"id": job.id})
        attempt = await queries.add_attempt(
            db, job, provider="kie", provider_key=ONE.fingerprint, secret_hash=None
        )
        await queries.answer_attempt(db, attempt.id, outcome, cost=amount(cost))


async def is_low(database: Database, *keys: ProviderKey) -> bool:
    """What a process finds that has just begun."""
    return await PurseBook(database, [Upstream(keys=keys or (ONE,))], {"kie": Decimal(100)}).is_low("kie")


async def test_what_waits_is_as_good_as_spent(database: Database) -> None:
    await told(database, ONE, "112")
    await sell(database, "12")
    assert not await is_low(database)

    await sell(database, None)
    assert not await is_low(database)
    await sell(database, "0.000000001")
    assert await is_low(database)

    await told(database, ONE, "1000")
    assert not await is_low(database)


@pytest.mark.parametrize(("outcome", "cost", "low"), [
    (AttemptOutcome.ACCEPTED, None, True),
    (AttemptOutcome.LOST, None, True),
    (AttemptOutcome.REFUSED, None, False),
    (AttemptOutcome.DONE, "12", False),
    (AttemptOutcome.DONE, "12.1", True),
])
async def test_so_is_what_was_begun_since(
    database: Database, outcome: AttemptOutcome, cost: str | None, low: bool
) -> None:
    await told(database, ONE, "112")
    await begin(database, await sell(database, "13"), outcome, cost)
    assert await is_low(database) is low

    await told(database, ONE, "100")
    assert not await is_low(database)


async def test_every_key_counts(database: Database) -> None:
    await told(database, ONE, "50")
    assert not await is_low(database, ONE, TWO)
    await told(database, TWO, "150")
    assert not await is_low(database, ONE, TWO)

    await sell(database, "101")
    assert await is_low(database, ONE, TWO)
    await told(database, TWO, None)
    assert not await is_low(database, ONE, TWO)


async def test_without_a_word_from_the_provider_everything_is_sold(database: Database) -> None:
    await sell(database, "13")
    assert not await is_low(database)

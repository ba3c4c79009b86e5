"""Calls end in batches: each is charged once, whole, and only by who has its lease."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text

from app import ledger
from app.db.engine import Database
from app.db.ids import new_id
from app.jobs import queries
from app.jobs.states import JobState, LeaseLost
from app.ledger import HoldKind
from app.services.call_ender import CallEnder, EndedCall
from app.services.end_job import cancel
from app.services.job_writer import Idempotency, JobWriter
from tests.books import balance_of, spent_by, view
from tests.factories import Tenant, make_tenant, new_job


@pytest.fixture
async def ender(database: Database) -> AsyncIterator[CallEnder]:
    ender = CallEnder(database)
    yield ender
    await ender.close()


async def call_of(
    database: Database, tenant: Tenant, *, held: str = "1", credits: str = "0.25",
    idempotency: Idempotency | None = None,
) -> EndedCall:
    """A call under way, and how it is to be ended."""
    writer = JobWriter(database)
    attempt_id = new_id()
    job = new_job(tenant, held, kind=HoldKind.DEFERRED, service="phaya-gpt", idempotency=idempotency)
    created = await writer.create(replace(
        job, lane="openrouter", state=JobState.SUBMITTING, lease_s=10, attempt_id=attempt_id, provider_key="a key",
    ))
    await writer.close()
    return EndedCall(
        account_id=tenant.account_id, job_id=created.job_id, fence=1, attempt_id=attempt_id, credits=Decimal(credits),
        task_id="gen-1", cost=Decimal("0.0001"), output={"prompt_tokens": 5}, idempotency=idempotency,
    )


async def row(database: Database, job_id: UUID) -> dict[str, object]:
    query = """SELECT j.state, j.credits_used, j.ended_at, a.outcome, a.task_id, a.cost, a.output
                 FROM jobs j JOIN job_attempts a ON a.job_id = j.id WHERE j.id = :id"""
    async with database.statement() as db:
        return dict((await db.execute(text(query), {"id": job_id})).mappings().one())


async def moves(database: Database, job_id: UUID) -> list[tuple[str | None, str]]:
    async with database.statement() as db:
        return [(event.source, event.target) for event in await queries.list_events(db, job_id)]


async def test_a_call_is_charged_and_the_rest_given_back(database: Database, ender: CallEnder) -> None:
    tenant = await make_tenant(database, "10")
    call = await call_of(database, tenant)

    charged = await ender.end(call)

    assert charged == Decimal("0.25")
    assert await balance_of(database, tenant) == view("9.75")
    assert await spent_by(database, tenant) == Decimal("0.25")
    found = await row(database, call.job_id)
    assert found.pop("ended_at") is not None
    assert found == {
        "state": "succeeded", "credits_used": Decimal("0.25"), "outcome": "done", "task_id": "gen-1",
        "cost": Decimal("0.0001"), "output": {"prompt_tokens": 5},
    }
    assert await moves(database, call.job_id) == [("submitting", "storing"), ("storing", "succeeded")]


@pytest.mark.parametrize(("credits", "charged"), [("3", "1"), ("1", "1"), ("0", "0"), ("0.0000000004", "0")])
async def test_never_more_than_was_held(database: Database, ender: CallEnder, credits: str, charged: str) -> None:
    tenant = await make_tenant(database, "10")

    assert await ender.end(await call_of(database, tenant, credits=credits)) == Decimal(charged)

    assert await balance_of(database, tenant) == view(str(10 - Decimal(charged)))


async def test_a_call_is_ended_once(database: Database, ender: CallEnder) -> None:
    tenant = await make_tenant(database, "10")
    call = await call_of(database, tenant)

    ends = await asyncio.gather(*(ender.end(call) for _ in range(5)), return_exceptions=True)

    assert sorted(map(type, ends), key=str) == sorted([Decimal, *[LeaseLost] * 4], key=str)
    assert await balance_of(database, tenant) == view("9.75")


async def test_who_lost_the_lease_changes_nothing(database: Database, ender: CallEnder) -> None:
    tenant = await make_tenant(database, "10")
    lost, kept = await call_of(database, tenant), await call_of(database, tenant)

    ends = await asyncio.gather(ender.end(replace(lost, fence=0)), ender.end(kept), return_exceptions=True)

    assert isinstance(ends[0], LeaseLost)
    assert ends[1] == Decimal("0.25")
    assert (await row(database, lost.job_id))["state"] == "submitting"
    assert await balance_of(database, tenant) == view("9.75", "8.75")


async def test_the_answer_is_kept_for_its_key(database: Database, ender: CallEnder) -> None:
    tenant = await make_tenant(database, "10")
    idempotency = Idempotency.of("/chat", "a", b"body")
    call = await call_of(database, tenant, idempotency=idempotency)

    await ender.end(replace(call, response={"said": "สวัสดี"}, kept_s=60))

    writer = JobWriter(database)
    found = await writer.find(tenant.account_id, idempotency)
    assert found is not None
    assert found.response == {"said": "สวัสดี"}
    async with database.statement() as db:
        left = await db.scalar(text("SELECT extract(epoch FROM expires_at - now()) FROM idempotency_keys"))
    assert 0 < left <= 60


async def test_many_accounts_end_together_and_the_sums_are_right(database: Database, ender: CallEnder) -> None:
    tenants = [await make_tenant(database, "10") for _ in range(4)]
    calls = [await call_of(database, tenant, held="0.5") for tenant in tenants for _ in range(10)]

    charged = await asyncio.gather(*(ender.end(call) for call in reversed(calls)))

    assert set(charged) == {Decimal("0.25")}
    for tenant in tenants:
        assert await balance_of(database, tenant) == view("7.5")


async def test_calls_that_end_and_are_cancelled_at_once_do_not_wait_in_a_circle(
    database: Database, ender: CallEnder
) -> None:
    tenant = await make_tenant(database, "100")
    calls = [await call_of(database, tenant) for _ in range(20)]

    async def take_back(call: EndedCall) -> bool:
        async with database.transaction() as db:
            (job,) = await queries.load(db, [call.job_id])
            return job.state is JobState.SUBMITTING and await cancel(db, job)

    ends = await asyncio.gather(
        *(ender.end(call) for call in calls), *(take_back(call) for call in calls), return_exceptions=True
    )

    charged = sum(end for end in ends[:20] if isinstance(end, Decimal))
    assert all(isinstance(end, Decimal | LeaseLost) for end in ends[:20])
    assert all(isinstance(end, bool) for end in ends[20:])
    assert [isinstance(end, Decimal) for end in ends[:20]] == [end is False for end in ends[20:]]
    assert await balance_of(database, tenant) == view(str(100 - charged))


async def test_a_hold_is_resolved_once_by_whichever_way(database: Database, ender: CallEnder) -> None:
    tenant = await make_tenant(database, "10")
    call = await call_of(database, tenant)
    async with database.transaction() as db:
        await ledger.release(db, call.job_id)

    with pytest.raises(LeaseLost):
        await ender.end(call)

    assert await balance_of(database, tenant) == view("10")

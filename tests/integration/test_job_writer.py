"""Creating jobs: many at once over several real connections, each all or nothing."""

import asyncio
from collections.abc import Awaitable, Sequence
from decimal import Decimal

import pytest

from app import ledger
from app.db.engine import Database
from app.errors import InsufficientCredits, Invalid
from app.ledger import HoldKind
from app.services.audit_ledger import audit_ledger
from app.services.job_writer import Created, Idempotency, JobWriter
from tests.books import balance_of, spent_by, view
from tests.factories import make_tenant, new_job


async def outcomes(work: Sequence[Awaitable[object]]) -> list[object]:
    return await asyncio.gather(*work, return_exceptions=True)


@pytest.mark.parametrize("kind", list(HoldKind))
async def test_ten_parallel_holds_of_30_on_100_give_three(database: Database, kind: HoldKind) -> None:
    tenant = await make_tenant(database, "100")
    writers = [JobWriter(database) for _ in range(10)]

    made = await outcomes([writer.create(new_job(tenant, "30", kind=kind)) for writer in writers])

    assert [type(outcome) for outcome in sorted(made, key=lambda it: type(it).__name__)] == (
        [Created] * 3 + [InsufficientCredits] * 7
    )
    assert (await balance_of(database, tenant)).available == 10
    assert all(refused.available == 10 for refused in made if isinstance(refused, InsufficientCredits))


async def test_500_parallel_creates_on_credits_for_100_accept_100(database: Database) -> None:
    tenant = await make_tenant(database, "800")
    # As many processes do it: each writer sends batches over connections of its own.
    writers = [JobWriter(database) for _ in range(3)]

    made = await outcomes([writers[number % 3].create(new_job(tenant, "8")) for number in range(500)])

    assert sum(isinstance(outcome, Created) for outcome in made) == 100
    assert sum(isinstance(outcome, InsufficientCredits) for outcome in made) == 400
    assert await balance_of(database, tenant) == view("0")
    assert await spent_by(database, tenant) == 800
    assert (await audit_ledger(database)).is_clean


async def test_one_batch_of_many_accounts_refuses_each_for_itself(database: Database) -> None:
    rich, poor, capped = (
        await make_tenant(database, "100"), await make_tenant(database, "1"),
        await make_tenant(database, "100", credit_limit="3"),
    )
    writer = JobWriter(database)

    made = await outcomes([writer.create(new_job(tenant, "2")) for tenant in (rich, poor, capped, rich, capped)])

    assert [type(outcome) for outcome in made] == [
        Created, InsufficientCredits, Created, Created, InsufficientCredits
    ]
    assert [(await balance_of(database, it)).balance for it in (rich, poor, capped)] == [96, 1, 98]


async def test_a_keys_cap_is_guarded_in_the_same_statement(database: Database) -> None:
    tenant = await make_tenant(database, "100", credit_limit="50")
    writers = [JobWriter(database) for _ in range(10)]

    made = await outcomes([writer.create(new_job(tenant, "20")) for writer in writers])

    refused = [outcome for outcome in made if isinstance(outcome, InsufficientCredits)]
    assert len(refused) == 8
    assert {(int(it.required), int(it.available), int(it.balance)) for it in refused} == {(20, 10, 60)}
    assert await spent_by(database, tenant) == 40


async def test_1_key_in_20_parallel_creates_is_one_job_and_one_debit(database: Database) -> None:
    tenant = await make_tenant(database, "100")
    job = new_job(tenant, "8", idempotency=Idempotency.of("/text-to-image", "a-key", b"{}"))
    writers = [JobWriter(database) for _ in range(20)]

    made = await asyncio.gather(*(writer.create(job) for writer in writers))

    assert len({created.job_id for created in made}) == 1
    assert sorted(created.is_replay for created in made) == [False] + [True] * 19
    assert await balance_of(database, tenant) == view("92")


async def test_a_key_used_with_another_body_is_refused(database: Database) -> None:
    tenant = await make_tenant(database, "100")
    writer = JobWriter(database)
    await writer.create(new_job(tenant, idempotency=Idempotency.of("/text-to-image", "a-key", b"{}")))

    with pytest.raises(Invalid) as refused:
        await writer.create(new_job(tenant, idempotency=Idempotency.of("/text-to-image", "a-key", b"[]")))

    assert refused.value.code == "idempotency_key_reused"
    assert await balance_of(database, tenant) == view("99")


async def test_a_key_belongs_to_its_account_and_route(database: Database) -> None:
    one, other = await make_tenant(database), await make_tenant(database)
    writer = JobWriter(database)

    made = [
        await writer.create(new_job(tenant, idempotency=Idempotency.of(route, "a-key", b"{}")))
        for tenant in (one, other) for route in ("/a", "/b")
    ]

    assert len({created.job_id for created in made}) == 4


async def test_a_refusal_is_not_remembered(database: Database) -> None:
    tenant = await make_tenant(database, "0")
    writer = JobWriter(database)
    job = new_job(tenant, "8", idempotency=Idempotency.of("/text-to-image", "a-key", b"{}"))
    with pytest.raises(InsufficientCredits):
        await writer.create(job)

    async with database.transaction() as db:
        await ledger.grant(db, tenant.account_id, credits=Decimal(8), key="more", note="")

    assert not (await writer.create(job)).is_replay

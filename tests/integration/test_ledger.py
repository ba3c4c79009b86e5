"""Money, on a real Postgres, with several real connections where it matters."""

import asyncio
from decimal import Decimal
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app import ledger
from app.db.engine import Database
from app.db.ids import new_id
from app.errors import InsufficientCredits, Invalid, NotFound
from app.jobs.models import Job
from app.ledger import EntryKind, HoldKind
from app.services.job_writer import JobWriter
from tests.books import balance_of, spent_by, view
from tests.factories import Tenant, make_job, make_tenant, new_job


@pytest.fixture
def database_name(module_database: str) -> str:
    return module_database


KINDS = pytest.mark.parametrize("kind", list(HoldKind))


async def history(database: Database, tenant: Tenant) -> list[tuple[str, Decimal, Decimal]]:
    """Kind, amount and balance after, oldest first."""
    async with database.statement() as db:
        entries = await ledger.list_entries(db, tenant.account_id, limit=1_000)
    return [(entry.kind, entry.amount, entry.balance_after) for entry in reversed(entries)]


async def capture(database: Database, job: Job, credits: str | None = None) -> Decimal:
    async with database.transaction() as db:
        return await ledger.capture(db, job.id, credits=None if credits is None else Decimal(credits))


async def release(database: Database, job: Job) -> Decimal:
    async with database.transaction() as db:
        return await ledger.release(db, job.id)


# Granting and correcting


async def test_a_grant_is_an_entry_and_moves_both_figures(database: Database) -> None:
    tenant = await make_tenant(database, "0")

    async with database.transaction() as db:
        made = await ledger.grant(db, tenant.account_id, credits=Decimal("0.000466"), key="a", note="A gift")

    assert (made.entry.kind, made.entry.amount, made.entry.description) == ("topup", Decimal("0.000466"), "A gift")
    assert await balance_of(database, tenant) == view("0.000466")
    assert await history(database, tenant) == [("topup", Decimal("0.000466"), Decimal("0.000466"))]


async def test_the_same_key_grants_once(database: Database) -> None:
    tenant = await make_tenant(database, "0")

    async def grant() -> tuple[int, bool]:
        async with database.transaction() as db:
            made = await ledger.grant(db, tenant.account_id, credits=Decimal(5), key="a", note="")
            return made.entry.id, made.is_replay

    made = await asyncio.gather(*(grant() for _ in range(8)))

    assert len({entry for entry, _ in made}) == 1
    assert sorted(is_replay for _, is_replay in made) == [False] + [True] * 7
    assert await balance_of(database, tenant) == view("5")


async def test_a_key_stands_for_one_grant_of_one_account(database: Database) -> None:
    one, other = await make_tenant(database, "0"), await make_tenant(database, "0")

    async with database.transaction() as db:
        await ledger.grant(db, one.account_id, credits=Decimal(5), key="a", note="")
        await ledger.grant(db, other.account_id, credits=Decimal(7), key="a", note="")
        with pytest.raises(Invalid) as reused:
            await ledger.grant(db, one.account_id, credits=Decimal(6), key="a", note="")

    assert reused.value.code == "idempotency_key_reused"
    assert (await balance_of(database, one), await balance_of(database, other)) == (view("5"), view("7"))


@pytest.mark.parametrize("credits", ["0", "-1", "0.0000000001"])
async def test_a_grant_adds(database: Database, credits: str) -> None:
    tenant = await make_tenant(database, "0")

    with pytest.raises(Invalid, match="more than 0"):
        async with database.transaction() as db:
            await ledger.grant(db, tenant.account_id, credits=Decimal(credits), key="a", note="")


async def test_a_balance_has_a_ceiling_below_what_the_column_holds(database: Database) -> None:
    tenant = await make_tenant(database, "10000000000")

    with pytest.raises(Invalid, match="at most 10,000,000,000 credits"):
        async with database.transaction() as db:
            await ledger.grant(db, tenant.account_id, credits=Decimal("0.01"), key="a", note="")


async def test_a_correction_goes_either_way_but_not_below_what_is_available(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    await make_job(database, tenant, "4", kind=HoldKind.DEFERRED)

    async with database.transaction() as db:
        await ledger.correct(db, tenant.account_id, credits=Decimal(-6), key="a", note="Too much")
    with pytest.raises(InsufficientCredits) as refused:
        async with database.transaction() as db:
            await ledger.correct(db, tenant.account_id, credits=Decimal("-0.000000001"), key="b", note="")
    async with database.transaction() as db:
        await ledger.correct(db, tenant.account_id, credits=Decimal(1), key="c", note="Sorry")

    assert refused.value.available == 0
    assert refused.value.balance == 4
    assert [kind for kind, _, _ in await history(database, tenant)] == ["topup", "correction", "correction"]
    assert await balance_of(database, tenant) == view("5", "1")


async def test_an_account_without_a_book_is_not_found(database: Database) -> None:
    async with database.transaction() as db:
        with pytest.raises(NotFound):
            await ledger.find_balance(db, new_id())
        with pytest.raises(NotFound):
            await ledger.grant(db, new_id(), credits=Decimal(1), key="a", note="")


# Holding


async def test_a_visible_hold_is_a_debit_at_once(database: Database) -> None:
    tenant = await make_tenant(database, "10")

    job = await make_job(database, tenant, "2.5")

    assert job.credits_used == Decimal("2.5")
    assert await balance_of(database, tenant) == view("7.5")
    assert (await history(database, tenant))[1:] == [("debit", Decimal("-2.5"), Decimal("7.5"))]


async def test_a_deferred_hold_moves_only_what_is_available(database: Database) -> None:
    tenant = await make_tenant(database, "10")

    job = await make_job(database, tenant, "2.5", kind=HoldKind.DEFERRED)

    assert job.credits_used == 0
    assert await balance_of(database, tenant) == view("10", "7.5")
    assert len(await history(database, tenant)) == 1


@KINDS
async def test_what_is_free_needs_no_credits(database: Database, kind: HoldKind) -> None:
    tenant = await make_tenant(database, "0")

    job = await make_job(database, tenant, "0", kind=kind)
    await capture(database, job)

    assert await history(database, tenant) == []


async def test_what_a_key_gives_back_it_can_spend_again(database: Database) -> None:
    tenant = await make_tenant(database, "100", credit_limit="10")
    job = await make_job(database, tenant, "10", kind=HoldKind.DEFERRED)

    await capture(database, job, "4")
    await make_job(database, tenant, "6")

    assert await spent_by(database, tenant) == 10


async def test_a_cap_can_be_changed_and_taken_away(database: Database) -> None:
    tenant = await make_tenant(database, "100", credit_limit="1")
    writer = JobWriter(database)

    for limit in (Decimal(20), None):
        with pytest.raises(InsufficientCredits):
            await writer.create(new_job(tenant, "21" if limit is None else "2"))
        async with database.transaction() as db:
            await ledger.set_key_limit(db, tenant.key_id, credit_limit=limit)
        await writer.create(new_job(tenant, "21" if limit is None else "2"))

    assert await spent_by(database, tenant) == 23


async def test_amounts_are_rounded_before_they_move(database: Database) -> None:
    tenant = await make_tenant(database, "100")
    deferred = await make_job(database, tenant, "0.3333333333333", kind=HoldKind.DEFERRED)
    await make_job(database, tenant, "0.0000000005")

    kept = await capture(database, deferred, "0.1111111111111")

    assert kept == Decimal("0.111111111")
    assert await balance_of(database, tenant) == view("99.888888888")
    # 100 - 0.0000000005 would round to 100 again, while the hold rounds up to 0.000000001.
    assert sum(amount for _, amount, _ in await history(database, tenant)) == Decimal("99.888888888")


async def test_a_job_can_hold_more_and_is_refused_what_there_is_not(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "0.5")

    async def hold(credits: str) -> None:
        async with database.transaction() as db:
            await ledger.hold_more(
                db, account_id=tenant.account_id, key_id=tenant.key_id, job_id=job.id, service=job.service,
                kind=HoldKind.VISIBLE, credits=Decimal(credits),
            )

    await hold("4")
    with pytest.raises(InsufficientCredits):
        await hold("5.51")

    assert await balance_of(database, tenant) == view("5.5")
    assert await capture(database, job) == Decimal("4.5")


# Capturing and releasing


@KINDS
async def test_capture_keeps_all_of_it(database: Database, kind: HoldKind) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4", kind=kind)

    assert await capture(database, job) == 4

    assert await balance_of(database, tenant) == view("6")
    assert [entry[0] for entry in await history(database, tenant)] == ["topup", "debit"]


@KINDS
async def test_capture_keeps_at_most_what_was_held_and_gives_the_rest_back(database: Database, kind: HoldKind) -> None:
    tenant = await make_tenant(database, "10")
    less, more = [await make_job(database, tenant, "4", kind=kind) for _ in range(2)]

    assert await capture(database, less, "1.5") == Decimal("1.5")
    assert await capture(database, more, "400") == 4

    assert await balance_of(database, tenant) == view("4.5")
    assert await spent_by(database, tenant) == Decimal("5.5")


async def test_capture_of_several_holds_fills_them_in_turn(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "1")
    async with database.transaction() as db:
        await ledger.hold_more(
            db, account_id=tenant.account_id, key_id=tenant.key_id, job_id=job.id, service=job.service,
            kind=HoldKind.DEFERRED, credits=Decimal(5),
        )

    assert await capture(database, job, "2.5") == Decimal("2.5")

    assert await balance_of(database, tenant) == view("7.5")


async def test_release_of_a_visible_hold_is_a_refund(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4")

    assert await release(database, job) == 4

    assert await balance_of(database, tenant) == view("10")
    assert (await history(database, tenant))[2] == ("refund", Decimal(4), Decimal(10))


async def test_release_of_a_deferred_hold_is_silent(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4", kind=HoldKind.DEFERRED)

    assert await release(database, job) == 4

    assert await balance_of(database, tenant) == view("10")
    assert len(await history(database, tenant)) == 1


@KINDS
async def test_five_parallel_captures_of_one_hold_give_one(database: Database, kind: HoldKind) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4", kind=kind)

    kept = await asyncio.gather(*(capture(database, job, "3") for _ in range(5)))

    assert sorted(kept) == [0, 0, 0, 0, 3]
    assert await balance_of(database, tenant) == view("7")


@KINDS
async def test_captures_and_releases_that_race_resolve_the_hold_once(database: Database, kind: HoldKind) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4", kind=kind)

    moved = await asyncio.gather(*(
        capture(database, job) if number % 2 else release(database, job) for number in range(8)
    ))

    assert sorted(moved) == [0] * 7 + [4]
    assert (await balance_of(database, tenant)) in (view("6"), view("10"))
    assert [entry[0] for entry in await history(database, tenant)].count(EntryKind.REFUND) <= 1


async def test_a_second_refund_cannot_be_written(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    job = await make_job(database, tenant, "4")
    await release(database, job)
    again = text("""
        INSERT INTO ledger_entries (account_id, version, kind, amount, balance_after, hold_id, job_id, description)
        SELECT account_id, version + 1, kind, amount, balance_after + amount, hold_id, job_id, description
          FROM ledger_entries WHERE job_id = :job AND kind = 'refund'""")

    with pytest.raises(DBAPIError, match="ledger_entries_hold_kind_key"):
        async with database.transaction() as db:
            await db.execute(again, {"job": job.id})


async def test_the_last_guard_is_the_table_itself(database: Database) -> None:
    tenant = await make_tenant(database, "10")

    for available in (-1, 11):
        with pytest.raises(DBAPIError, match="balances_available_"):
            async with database.transaction() as db:
                await db.execute(text("UPDATE balances SET available = :available WHERE account_id = :id"),
                                 {"available": available, "id": tenant.account_id})


# Reading


async def test_entries_are_read_page_by_page_newest_first(database: Database) -> None:
    tenant, other = await make_tenant(database), await make_tenant(database)
    for _ in range(3):
        await make_job(database, tenant)
        await make_job(database, other)

    async def page(account_id: UUID | None, before: int | None, limit: int) -> list[int]:
        async with database.statement() as db:
            return [entry.id for entry in await ledger.list_entries(db, account_id, limit=limit, before=before)]

    mine = await page(tenant.account_id, None, 100)
    assert len(mine) == 4
    assert mine == sorted(mine, reverse=True)
    assert await page(tenant.account_id, mine[1], 2) == mine[2:]
    assert await page(tenant.account_id, mine[-1], 2) == []
    assert set(mine) < set(await page(None, None, 1_000))

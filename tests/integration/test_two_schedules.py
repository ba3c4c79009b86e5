"""Two workers whose clocks strike at once: what is due is done once, and paid back once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.engine import Database
from app.files.models import FileRole
from app.files.register import add_file
from app.services.advance_job import advance
from app.services.audit_ledger import audit_ledger
from app.services.broker import Broker
from app.services.housekeeping import audit_by_the_clock, expire_jobs, forget_old_keys, remove_expired_files
from app.services.take_work import hand_back, take_upstream_work
from app.storage import new_key
from tests.books import balance_of, view
from tests.factories import Tenant, make_tenant
from tests.workbench import Workbench, workbench
from workers.schedule import repeat, sweep
from workers.stepper import Stepper

JOBS = 30
OFTEN_S = 0.002
ENDS_WITHIN_S = 20


@pytest.fixture
async def benches(settings: Settings, tmp_path: Path) -> AsyncIterator[tuple[Workbench, Workbench]]:
    """Two processes' parts, with one provider."""
    settings = settings.model_copy(update={"storage_dir": tmp_path / "files"})
    async with AsyncExitStack() as stack:
        one, other = [await stack.enter_async_context(workbench(settings)) for _ in range(2)]
        yield one, replace(other, broker=replace(other.broker, providers=one.broker.providers), upstream=one.upstream)


async def until_none(database: Database, query: str) -> None:
    async with asyncio.timeout(ENDS_WITHIN_S), database.statement() as db:
        while await db.scalar(text(query)):  # noqa: ASYNC110 - others do it
            await asyncio.sleep(OFTEN_S)


async def keep_old_files(broker: Broker, tenant: Tenant, file: Path) -> None:
    await asyncio.to_thread(file.write_bytes, b"old")
    for _ in range(JOBS):
        key = new_key(".png")
        await broker.storage.put(key, file, content_type="image/png")
        async with broker.db.transaction() as db:
            await add_file(
                db, account_id=tenant.account_id, job_id=None, role=FileRole.UPLOAD, storage_key=key, filename="a.png",
                content_type="image/png", size=3, sha256=bytes(32), media={}, keep_days=-1,
            )


def stored_files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


async def test_what_is_overdue_or_old_is_ended_once(
    benches: tuple[Workbench, Workbench], database: Database, tmp_path: Path
) -> None:
    tenant = await make_tenant(database, str(4 * JOBS))
    for number in range(JOBS):
        await benches[0].ask(tenant, key=f"key-{number}")
    await keep_old_files(benches[0].broker, tenant, tmp_path / "old.png")
    async with database.transaction() as db:
        await db.execute(text("UPDATE jobs SET deadline_at = now()"))
        await db.execute(text("UPDATE idempotency_keys SET expires_at = now()"))

    works = (expire_jobs, remove_expired_files, forget_old_keys, audit_by_the_clock)
    clocks = [asyncio.create_task(repeat(work, bench.broker, every_s=OFTEN_S)) for work in works for bench in benches]
    await until_none(database, "SELECT EXISTS (SELECT FROM jobs WHERE ended_at IS NULL)"
                               " OR EXISTS (SELECT FROM files WHERE deleted_at IS NULL)"
                               " OR EXISTS (SELECT FROM idempotency_keys) OR NOT EXISTS (SELECT FROM audit_runs)")
    for clock in clocks:
        clock.cancel()
    await asyncio.gather(*clocks, return_exceptions=True)

    assert await balance_of(database, tenant) == view(str(4 * JOBS))
    async with database.statement() as db:
        ends = text("SELECT count(*), count(DISTINCT job_id) FROM job_events WHERE target = 'failed'")
        assert tuple((await db.execute(ends)).one()) == (JOBS, JOBS)
    assert (await audit_ledger(database)).is_clean
    assert stored_files(tmp_path / "files") == []


async def test_what_is_due_is_taken_by_one(benches: tuple[Workbench, Workbench], database: Database) -> None:
    tenant = await make_tenant(database, str(4 * JOBS))
    for number in range(JOBS):
        await benches[0].ask(tenant, f"boat {number}")
    steppers = [
        Stepper("kie", room=3, take=partial(take_upstream_work, bench.broker, bench.upstream),
                run=partial(advance, bench.broker), hand_back=partial(hand_back, bench.broker))
        for bench in benches
    ]
    for stepper in steppers:
        stepper.start()

    clocks = [asyncio.create_task(sweep([stepper], every_s=OFTEN_S)) for stepper in steppers]
    await until_none(database, "SELECT EXISTS (SELECT FROM jobs WHERE state IN ('queued', 'submitting'))")
    for clock in clocks:
        clock.cancel()
    await asyncio.gather(*(stepper.stop(drain_s=ENDS_WITHIN_S) for stepper in steppers))

    assert benches[0].upstream.asked == {f"boat {number}": 1 for number in range(JOBS)}

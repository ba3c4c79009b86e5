"""The audit bites: every rule's invariant is broken on purpose, in a transaction that is rolled back."""

from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.db.engine import Database
from app.embedded import Services
from app.jobs import queries
from app.jobs.models import Job
from app.jobs.states import JobState, move
from app.ledger import HoldKind, audit
from app.ledger.audit import NAME_MOST, RULES
from app.services.audit_ledger import audit_ledger
from app.services.end_job import fail, succeed
from tests.factories import make_job, make_tenant

# What the owner of the schema must take away before anything can be broken at all.
UNGUARD = """
ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_append_only;
ALTER TABLE balances DROP CONSTRAINT balances_available_not_negative_check;
ALTER TABLE balances DROP CONSTRAINT balances_available_within_balance_check
"""

# `:live` and `:deferred` wait with an open hold of 8 and of 2; `:done` and `:failed` have ended.
SABOTAGE = {
    "balance_is_sum_of_entries": ["UPDATE balances SET balance = balance + 1 WHERE account_id = :account",
                                  "DELETE FROM balances WHERE account_id = :account"],
    "versions_without_gap": ["UPDATE ledger_entries SET version = version + 100 WHERE job_id = :live",
                             "UPDATE balances SET version = version + 1 WHERE account_id = :account"],
    "balance_after_is_running_sum": ["UPDATE ledger_entries SET balance_after = 1 WHERE job_id = :done"],
    "available_is_balance_less_deferred_holds": [
        "UPDATE balances SET available = available + 1 WHERE account_id = :account",
        "UPDATE holds SET amount = amount + 1 WHERE job_id = :deferred",
    ],
    "nothing_negative": ["UPDATE balances SET available = -1 WHERE account_id = :account",
                         "UPDATE balances SET balance = -1 WHERE account_id = :account"],
    "entries_have_their_cause": [
        "UPDATE ledger_entries SET hold_id = NULL WHERE job_id = :done",
        "UPDATE ledger_entries SET job_id = :failed WHERE job_id = :done",
        "UPDATE ledger_entries SET key = NULL WHERE kind = 'topup' AND account_id = :account",
    ],
    "entries_have_their_sign": ["UPDATE ledger_entries SET amount = -amount WHERE job_id = :done"],
    "holds_match_their_entries": [
        "DELETE FROM ledger_entries WHERE job_id = :failed AND kind = 'refund'",
        "UPDATE ledger_entries SET amount = amount - 1 WHERE job_id = :done",
        "UPDATE holds SET captured = captured - 1 WHERE job_id = :done",
    ],
    "released_holds_captured_nothing": ["UPDATE holds SET captured = 1 WHERE job_id = :failed"],
    "key_spending_matches_holds": ["UPDATE key_budgets SET spent = spent + 1 WHERE key_id = :key",
                                   "DELETE FROM key_budgets WHERE key_id = :key"],
    "holds_are_their_jobs": ["UPDATE holds SET key_id = gen_random_uuid() WHERE job_id = :live"],
    "ended_jobs_have_resolved_holds": [
        "UPDATE holds SET state = 'open', captured = 0, resolved_at = NULL WHERE job_id = :done"
    ],
    "live_jobs_have_an_open_hold": ["UPDATE holds SET state = 'released', resolved_at = now() WHERE job_id = :live"],
    "every_job_was_held_for": ["DELETE FROM holds WHERE job_id = :done"],
    "ends_match_their_money": ["UPDATE jobs SET credits_used = 0 WHERE id = :done",
                               "UPDATE jobs SET credits_used = 1 WHERE id = :failed",
                               "UPDATE jobs SET state = 'failed' WHERE id = :done"],
    "ends_have_their_instant": ["UPDATE jobs SET ended_at = NULL WHERE id = :done",
                                "UPDATE jobs SET ended_at = now() WHERE id = :live"],
    "guards_are_in_place": ["ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_hold_kind_key",
                            "ALTER TABLE job_events DISABLE TRIGGER job_events_append_only"],
    "nothing_overdue": ["UPDATE jobs SET deadline_at = now() - interval '61 seconds' WHERE id = :live"],
}


@pytest.fixture
def database_name(module_database: str) -> str:
    return module_database


@dataclass(frozen=True)
class Scene:
    """An account with a job of every kind."""

    account: UUID
    key: UUID
    live: UUID
    deferred: UUID
    done: UUID
    failed: UUID


async def store(db: AsyncSession, job: Job) -> Job:
    await move(db, job.id, source=JobState.QUEUED, target=JobState.RUNNING)
    await move(db, job.id, source=JobState.RUNNING, target=JobState.STORING)
    return (await queries.load(db, [job.id]))[0]


@pytest.fixture
async def scene(database: Database) -> Scene:
    tenant = await make_tenant(database, "100")
    live, done, failed = [await make_job(database, tenant, "8") for _ in range(3)]
    deferred = await make_job(database, tenant, "2", kind=HoldKind.DEFERRED)
    async with database.transaction() as db:
        await succeed(db, await store(db, done), result={})
        await fail(db, failed, reason="broken", error="It broke")
    return Scene(tenant.account_id, tenant.key_id, live.id, deferred.id, done.id, failed.id)


def test_every_rule_is_broken_here() -> None:
    assert SABOTAGE.keys() == RULES.keys()


async def test_nothing_is_found_where_nothing_is_wrong(database: Database, scene: Scene) -> None:
    report = await audit_ledger(database)

    assert report.violations == []
    assert report.is_clean
    assert min(report.accounts, report.entries, report.holds, report.jobs) > 0
    assert report.balance > 0


@pytest.mark.parametrize(("rule", "sabotage"), [(rule, sql) for rule, list_ in SABOTAGE.items() for sql in list_])
async def test_the_rule_bites(services: Services, database_name: str, scene: Scene, rule: str, sabotage: str) -> None:
    engine = create_async_engine(services.postgres.owner_url(database_name))
    async with AsyncSession(engine) as db:
        for statement in UNGUARD.split(";"):
            await db.execute(text(statement))
        await db.execute(text(sabotage), vars(scene))
        report = await audit(db)
        await db.rollback()
    await engine.dispose()

    assert rule in {violation.rule for violation in report.violations}
    assert all(violation.subject and violation.detail for violation in report.violations)


async def test_of_many_that_break_a_rule_some_are_named(database: Database, scene: Scene) -> None:
    async with AsyncSession(database.engine) as db:
        await db.execute(text(
            "INSERT INTO jobs SELECT (jsonb_populate_record(jobs, jsonb_build_object('id', gen_random_uuid()))).*"
            "  FROM jobs, generate_series(0, :most) WHERE id = :live"
        ), {"live": scene.live, "most": NAME_MOST})
        report = await audit(db)

    assert [violation.rule for violation in report.violations].count("every_job_was_held_for") == NAME_MOST

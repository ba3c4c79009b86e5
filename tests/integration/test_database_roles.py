"""What the processes' role may do in the database, and what not even the owner of the schema does by accident."""

import asyncpg
import pytest
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError

from app.accounts.keys import record_act
from app.db.engine import Database
from app.db.migrate import APPEND_ONLY, upgrade
from app.embedded import Services
from app.jobs.states import JobState, move
from tests.factories import make_job, make_tenant

REWRITES = ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"]
A_COLUMN = {"ledger_entries": "amount", "admin_acts": "actor", "rate_changes": "value", "job_events": "detail"}

rewrites = pytest.mark.parametrize(
    "statement",
    [rewrite.format(table, A_COLUMN[table], A_COLUMN[table]) for table in APPEND_ONLY for rewrite in REWRITES],
)


@pytest.fixture
def database_name(module_database: str) -> str:
    return module_database


async def run(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@rewrites
async def test_history_cannot_be_rewritten_by_the_processes(database: Database, statement: str) -> None:
    with pytest.raises(DBAPIError, match="permission denied"):
        async with database.transaction() as db:
            await db.execute(text(statement))


@rewrites
async def test_history_cannot_be_rewritten_by_the_owner(
    services: Services, database: Database, database_name: str, statement: str
) -> None:
    job = await make_job(database, await make_tenant(database))
    async with database.transaction() as db:
        await move(db, job.id, source=JobState.QUEUED, target=JobState.RUNNING)
        await record_act(db, actor="test", act="test", subject=job.id, detail={})

    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
        await run(services.postgres.owner_url(database_name), statement)


@pytest.mark.parametrize("statement", [
    "DELETE FROM balances", "DELETE FROM jobs", "DELETE FROM holds", "DELETE FROM accounts", "DELETE FROM api_keys",
    "ALTER TABLE balances DROP CONSTRAINT balances_available_not_negative_check", "DROP TABLE ledger_entries",
    "ALTER TABLE ledger_entries DISABLE TRIGGER ledger_entries_append_only", "CREATE TABLE mine (id int)",
    "CREATE FUNCTION ledger_hold() RETURNS int LANGUAGE sql AS 'SELECT 1'", "DROP FUNCTION refuse_rewrite",
    "UPDATE alembic_version SET version_num = 'x'", "SET ROLE postgres", "CREATE ROLE another",
    "SET session_replication_role = replica", "COPY accounts TO '/tmp/accounts'",
])
async def test_the_processes_cannot_change_the_schema_or_lose_rows(
    services: Services, database_name: str, statement: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await run(services.postgres.serving_url(database_name), statement)


@pytest.mark.parametrize("password", ["o'dd %s :x", "päss/@word?"])
async def test_a_serving_role_is_made_with_the_password_of_its_address_and_gets_a_new_one(
    services: Services, database_name: str, password: str
) -> None:
    owner = services.postgres.owner_url(database_name)
    serving = make_url(owner).set(username='a "role"', password=password).render_as_string(hide_password=False)

    await upgrade(owner, serving)

    connection = await asyncpg.connect(serving.replace("+asyncpg", ""))
    assert await connection.fetchval("SELECT count(*) >= 0 FROM ledger_entries")
    await connection.close()

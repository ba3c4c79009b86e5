"""Postgres breaks off, is away, or has no connection left: a named error inside, a 503 that invites to try again."""

import asyncio

import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.engine import Database
from app.embedded.ports import free_port
from app.errors import DatabaseAway
from app.main import create_app
from tests.books import balance_of, view
from tests.factories import make_job, make_key, make_tenant
from tests.serving import api, served


async def test_a_connection_that_breaks_in_mid_transaction_commits_nothing_and_is_replaced(database: Database) -> None:
    tenant = await make_tenant(database, "10")
    with pytest.raises(DatabaseAway):
        async with database.transaction() as db:
            await db.execute(text("UPDATE balances SET version = version + 100"))
            await break_off(database, await db.scalar(text("SELECT pg_backend_pid()")))
            await db.execute(text("SELECT 1"))

    await make_job(database, tenant, "4")
    assert await balance_of(database, tenant) == view("6")


async def break_off(database: Database, backend: int | None) -> None:
    async with database.statement() as db:
        await db.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": backend})


async def test_a_mistake_in_a_statement_is_no_outage(database: Database) -> None:
    with pytest.raises(Exception, match="no_such_table") as mistake:
        async with database.statement() as db:
            await db.execute(text("SELECT * FROM no_such_table"))
    assert not isinstance(mistake.value, DatabaseAway)


async def test_while_postgres_is_away_the_api_answers_503(settings: Settings) -> None:
    away = settings.model_copy(update={"database_url": f"postgresql+asyncpg://phaya:x@127.0.0.1:{free_port()}/phaya"})
    async with api(away) as client:
        answer = await client.get("/api/v1/user/credits", headers={"Authorization": "Bearer pk_something"})

    assert (answer.status_code, answer.json()["error"]) == (503, "service_unavailable")
    assert answer.headers["Retry-After"] == "1"


async def test_while_the_pool_is_full_the_api_answers_503_and_then_goes_on(
    settings: Settings, database: Database
) -> None:
    narrow = settings.model_copy(update={"database_pool_size": 2, "database_wait_s": 0.1})
    key = await make_key(database, (await make_tenant(database)).account_id)
    app = create_app(narrow)
    async with served(app) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        pool: Database = app.state.broker.db
        async with pool.transaction() as one, pool.transaction() as other:
            await asyncio.gather(one.execute(text("SELECT 1")), other.execute(text("SELECT 1")))
            assert (await client.get("/api/v1/user/credits")).status_code == 503
        assert (await client.get("/api/v1/user/credits")).status_code == 200

"""Postgres breaks off, restarts, is silent, was demoted, or has no connection left: a named error inside, a 503 that
invites to try again, and whoever tries again has what was asked for once."""

import asyncio
import math
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager
from itertools import count
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from pydantic import PostgresDsn
from sqlalchemy import make_url, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession

from app.config import Settings
from app.db.engine import Database
from app.db.migrate import upgrade
from app.embedded import folder, postgres
from app.embedded.ports import free_port
from app.embedded.process import Child, launch, wait_ready
from app.errors import DatabaseAway
from app.main import create_app
from app.services.audit_ledger import audit_ledger
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


@pytest.mark.parametrize(("statement", "values"), [
    ("SELECT * FROM no_such_table", {}), ("SELECT CAST(:number AS int)", {"number": "many"}),
])
async def test_a_mistake_in_a_statement_is_no_outage(
    database: Database, statement: str, values: Mapping[str, str]
) -> None:
    with pytest.raises(DBAPIError, match=r"no_such_table|many"):
        async with database.statement() as db:
            await db.execute(text(statement), values)


# What Postgres writes to its clients before it stops, as the protocol has it, and how it ends an answer.
GOODBYE = b"E\0\0\0\x4fSFATAL\0VFATAL\0C57P01\0Mterminating connection due to administrator command\0\0"
ENDS_AN_ANSWER = b"Z\0\0\0\x05"


class Relay:
    """Another way to the database: a server that can say goodbye before it hangs up.

    After so many `answers` it leaves by itself: says so, or just hangs up.
    """

    def __init__(self, url: PostgresDsn) -> None:
        self._server = make_url(str(url))
        self.clients: list[asyncio.StreamWriter] = []
        self.answers = math.inf
        self.says_goodbye = True

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[str]:
        """The address of the database by this way."""
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as listener:
            here = self._server.set(host="127.0.0.1", port=listener.sockets[0].getsockname()[1])
            yield here.render_as_string(hide_password=False)
            for client in self.clients:
                client.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.clients.append(writer)
        back, forth = await asyncio.open_connection(self._server.host, self._server.port)
        await asyncio.gather(self._copy(reader, forth), self._copy(back, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = 0
        while piece := await reader.read(65_536):
            answers += ENDS_AN_ANSWER in piece[-6:]
            is_last = answers == self.answers
            writer.write(piece + GOODBYE if is_last and self.says_goodbye else piece)
            if is_last and not self.says_goodbye:
                break
        writer.close()


Begin = Callable[[Database], AbstractAsyncContextManager[AsyncSession]]


async def ask(database: Database, begin: Begin) -> None:
    async with begin(database) as db:
        assert await db.scalar(text("SELECT 1")) == 1


@pytest.mark.parametrize("begin", [Database.statement, Database.transaction])
async def test_a_server_that_said_goodbye_is_away_though_it_did_not_hang_up_yet(
    settings: Settings, begin: Begin
) -> None:
    relay = Relay(settings.database_url)
    async with relay.opened() as url:
        database = Database(settings.model_copy(update={"database_url": url}))
        await ask(database, begin)
        relay.clients[0].write(GOODBYE)
        await asyncio.sleep(0.1)

        with pytest.raises(DatabaseAway):
            await ask(database, begin)

        await ask(database, begin)
        assert len(relay.clients) == 2
        await database.close()


@pytest.mark.parametrize("says_goodbye", [True, False])
@pytest.mark.parametrize("begin", [Database.statement, Database.transaction])
async def test_whenever_a_server_leaves_a_new_connection_it_is_away(
    settings: Settings, begin: Begin, says_goodbye: bool
) -> None:
    relay = Relay(settings.database_url)
    relay.says_goodbye = says_goodbye
    async with relay.opened() as url:
        for answers in count(1):
            relay.answers = answers
            database = Database(settings.model_copy(update={"database_url": url}))
            try:
                await ask(database, begin)
                break  # It was asked less often than that.
            except DatabaseAway:
                pass
            finally:
                await database.close()
    assert answers > 5


async def test_who_waits_too_long_for_another_is_told_to_come_again(database: Database) -> None:
    await make_tenant(database)
    touch = text("UPDATE balances SET version = version + 100")
    async with database.transaction() as other:
        await other.execute(touch)
        with pytest.raises(DatabaseAway):
            async with database.transaction() as db:
                await db.execute(text("SET LOCAL lock_timeout = '50ms'"))
                await db.execute(touch)


async def test_of_two_who_wait_for_each_other_one_is_told_to_come_again(database: Database) -> None:
    tenants = [(await make_tenant(database)).account_id for _ in range(2)]
    both = asyncio.Barrier(2)

    async def touch_all(accounts: Sequence[UUID]) -> None:
        async with database.transaction() as db:
            for account in accounts:
                await db.execute(text("UPDATE balances SET version = 9 WHERE account_id = :id"), {"id": account})
                if account == accounts[0]:
                    await both.wait()

    ends = await asyncio.gather(touch_all(tenants), touch_all(tenants[::-1]), return_exceptions=True)
    assert sorted(type(end).__name__ for end in ends) == ["DatabaseAway", "NoneType"]


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


async def test_a_server_that_falls_silent_is_given_up_and_left(settings: Settings) -> None:
    database = Database(settings, silence_s=0.3)
    silent = await backend_of(database)
    os.kill(silent, signal.SIGSTOP)
    try:
        began_at = time.monotonic()
        with pytest.raises(DatabaseAway):
            async with database.transaction() as db:
                await db.execute(text("SELECT 1"))
        assert time.monotonic() - began_at < 5
        assert await backend_of(database) != silent
    finally:
        os.kill(silent, signal.SIGCONT)
    await database.close()


async def backend_of(database: Database) -> int:
    async with database.transaction() as db:
        return int(await db.scalar(text("SELECT pg_backend_pid()")) or 0)


# A server of the test's own


class Server:
    """A Postgres with our schema, to be stopped."""

    def __init__(self, data: Path, stack: ExitStack) -> None:
        passwords = folder.passwords(stack.enter_context(folder.locked(data)))
        self.postgres = stack.enter_context(postgres.prepared(data / "postgres", passwords))
        self._log = data / "log"
        self._child: Child | None = None

    def start(self) -> None:
        self._child = launch(self.postgres.part(), self._log)
        wait_ready(self._child)

    def crash(self) -> None:
        """End it at once: no connection is closed in good order, and the next start recovers from the log."""
        if self._child and self._child.is_alive():
            self._child.process.send_signal(signal.SIGQUIT)
            self._child.process.wait()

    def demote(self, *, is_standby: bool) -> None:
        """Let it refuse to write, as a standby does, or write again."""
        self.postgres.execute(f"ALTER SYSTEM SET default_transaction_read_only = {is_standby}")
        self.postgres.execute("SELECT pg_reload_conf()")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with ExitStack() as stack:
        server = Server(tmp_path / "server", stack)
        stack.callback(server.crash)
        server.start()
        asyncio.run(upgrade(server.postgres.owner_url(), server.postgres.serving_url()))
        yield server


@pytest.fixture
def own_settings(settings: Settings, server: Server) -> Settings:
    changes = {"database_url": server.postgres.serving_url(), "database_wait_s": 1, "kie_api_keys": ("never-asked",)}
    return settings.model_copy(update=changes)


async def create(client: httpx.AsyncClient, key: str, seen: Counter[int], *, until: int = 200) -> str:
    """The job under an idempotency key, as a client gets it that asks until it is answered so."""
    async with asyncio.timeout(30):
        while True:
            answer = await client.post(
                "/api/v1/text-to-image/generate", json={"prompt": key}, headers={"Idempotency-Key": key}
            )
            seen[answer.status_code] += 1
            if answer.status_code == until:
                return str(answer.json().get("job_id"))
            await asyncio.sleep(0.02)


async def check_books(database: Database, jobs: Sequence[str]) -> None:
    """Each of these jobs is there once, with one debit, and there are no others."""
    query = text("SELECT job_id::text FROM ledger_entries WHERE kind = 'debit'")
    async with database.statement() as db:
        debited = (await db.scalars(query)).all()
    assert sorted(debited) == sorted(jobs)
    assert (await audit_ledger(database)).is_clean


@asynccontextmanager
async def client_of(settings: Settings) -> AsyncIterator[tuple[httpx.AsyncClient, Database]]:
    """A client with a key of an account of its own, and the pool of the API that it speaks to."""
    app = create_app(settings)
    async with served(app) as client:
        database: Database = app.state.broker.db
        key = await make_key(database, (await make_tenant(database)).account_id)
        client.headers["Authorization"] = f"Bearer {key}"
        yield client, database


async def test_while_postgres_restarts_creates_are_told_to_come_again_and_none_is_lost_or_doubled(
    own_settings: Settings, server: Server
) -> None:
    seen = Counter[int]()

    async def keep_creating(client: httpx.AsyncClient, name: str) -> list[str]:
        return [await create(client, f"{name}-{number}", seen) for number in range(15)]

    async with client_of(own_settings) as (client, database):
        creating = asyncio.gather(*(keep_creating(client, name) for name in "abcd"))
        while seen[200] < 10:  # noqa: ASYNC110 - in the middle of it
            await asyncio.sleep(0)
        server.crash()
        await create(client, "away", seen, until=503)
        server.start()
        jobs = [job for made in await creating for job in made]

        assert set(seen) == {200, 503}
        await check_books(database, [*jobs, await create(client, "away", seen)])


async def test_after_a_fail_over_no_connection_is_kept_to_the_server_that_was_demoted(
    own_settings: Settings, server: Server
) -> None:
    seen = Counter[int]()
    async with client_of(own_settings) as (client, database):
        before = await backend_of(database)
        server.demote(is_standby=True)
        await create(client, "a-key", seen, until=503)
        assert await backend_of(database) != before
        server.demote(is_standby=False)

        await check_books(database, [await create(client, "a-key", seen)])
        assert set(seen) == {200, 503}

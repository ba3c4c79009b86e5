"""The pool of connections and the one place where a transaction begins and ends."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app.config import Settings


def dump_json(value: object) -> str:
    """JSON for a JSONB column."""
    return orjson.dumps(value, default=str).decode()


def process_name(pid: int) -> str:
    """How Postgres knows the connections of a process of ours (`pg_stat_activity.application_name`)."""
    return f"phaya {pid}"


class Database:
    """A process's pool. `transaction()` commits at its end or rolls back; nothing else commits."""

    def __init__(self, settings: Settings) -> None:
        self.engine: AsyncEngine = create_async_engine(
            str(settings.database_url),
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=10,
            json_serializer=dump_json,
            json_deserializer=orjson.loads,
            # A statement that hangs must not hold a pool's place for ever: the server ends it.
            connect_args={"server_settings": {"statement_timeout": "30000", "lock_timeout": "10000",
                                              "idle_in_transaction_session_timeout": "30000",
                                              "application_name": process_name(os.getpid())}},
        )
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed when the block ends, and dropped when it raises."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncSession]:
        """A session in which each statement is a transaction of its own: one round trip for one statement."""
        async with AsyncSession(self._autocommit, expire_on_commit=False) as session:
            yield session

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

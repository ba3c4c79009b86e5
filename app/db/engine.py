"""The pool of connections and the one place where a transaction begins and ends."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import gaierror

import asyncpg
import orjson
from sqlalchemy import event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolExhausted
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

from app.config import Settings
from app.errors import DatabaseAway

# Classes of SQLSTATE that speak of the server and not of the statement: connection, log-in, database, resources,
# operator's acts.
OUTAGES = ("08", "28", "3D", "53", "57")
OUTAGE_ERRORS = (
    PoolExhausted, ConnectionError, TimeoutError, gaierror, asyncpg.InterfaceError, asyncpg.InternalClientError
)  # fmt: skip
# What a server says that has become a standby, or waits for its disk, when it is to write.
READ_ONLY = "25006"
# Others were in the way, for too long or each in the other's: the statement did nothing and may be sent again.
IN_THE_WAY = ("40P01", "55P03")
# A statement that hangs must not hold a pool's place for ever: the server ends it after this long.
STATEMENT_S = 30
# From a server that is gone without a word not even that comes.
SILENCE_S = STATEMENT_S + 5


def dump_json(value: object) -> str:
    """JSON for a JSONB column."""
    return orjson.dumps(value, default=str).decode()


def process_name(pid: int) -> str:
    """How Postgres knows the connections of a process of ours (`pg_stat_activity.application_name`)."""
    return f"phaya {pid}"


def is_outage(error: BaseException) -> bool:
    """Whether the error says that Postgres cannot be asked now, and nothing about what it was asked."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or is_outage(_said(error))
    # A value that does not fit its type, which asyncpg counts among its own troubles.
    if isinstance(error, ValueError):
        return False
    state = getattr(error, "sqlstate", None)
    # A connection that cannot be made is not wrapped by SQLAlchemy.
    return (isinstance(state, str) and state.startswith(OUTAGES + IN_THE_WAY)) or isinstance(error, OUTAGE_ERRORS)


def _said(error: DBAPIError) -> BaseException:
    """The driver's own error: SQLAlchemy translates it twice."""
    translated = error.orig or error
    return translated.__cause__ or translated


@asynccontextmanager
async def _named_outages() -> AsyncIterator[None]:
    try:
        yield
    except Exception as error:
        if not is_outage(error):
            raise
        cause = _said(error) if isinstance(error, DBAPIError) else error
        raise DatabaseAway("The database does not answer; try again") from cause


def _leave(context: ExceptionContext) -> None:
    """Have the pool connect anew where what it holds leads to a server that was demoted, or that said goodbye and did
    not hang up yet (asyncpg then takes itself to be busy)."""
    error = context.original_exception
    if getattr(error, "sqlstate", None) == READ_ONLY or isinstance(error.__cause__, asyncpg.InternalClientError):
        context.is_disconnect = True


class Database:
    """A process's pool. `transaction()` commits at its end or rolls back; nothing else commits.

    Both ways in raise DatabaseAway while Postgres cannot be asked, at the latest when it has been silent for
    `silence_s` seconds.
    """

    def __init__(self, settings: Settings, *, silence_s: float = SILENCE_S) -> None:
        self.engine: AsyncEngine = create_async_engine(
            str(settings.database_url),
            pool_size=settings.database_pool_size,
            max_overflow=0,
            # The connection that came back last: its statements and their plans are ready (Postgres plans the
            # statements of a function anew for the first five calls of each connection).
            pool_use_lifo=True,
            pool_timeout=settings.database_wait_s,
            json_serializer=dump_json,
            json_deserializer=orjson.loads,
            connect_args={
                "timeout": settings.database_wait_s,
                "command_timeout": silence_s,
                "server_settings": {
                    "statement_timeout": f"{STATEMENT_S}s", "lock_timeout": "10s",
                    "idle_in_transaction_session_timeout": "30s", "application_name": process_name(os.getpid()),
                },
            },
        )
        event.listen(self.engine.sync_engine, "handle_error", _leave)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """A session whose work is committed when the block ends, and dropped when it raises."""
        async with _named_outages(), AsyncSession(self.engine, expire_on_commit=False) as session, session.begin():
            yield session

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncSession]:
        """A session in which each statement is a transaction of its own: one round trip for one statement."""
        async with _named_outages(), AsyncSession(self._autocommit, expire_on_commit=False) as session:
            yield session

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()

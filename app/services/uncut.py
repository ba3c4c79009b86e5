"""What must not be cut in the middle: a paid call, and the record of what it was answered."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import DatabaseAway
from app.services.broker import Broker

log = structlog.get_logger()

T = TypeVar("T")

# How long the record of an answer is tried while Postgres is away, and how often.
WRITE_WITHIN_S = 30.0
WRITE_AGAIN_S = 0.5


async def uncut(work: Coroutine[Any, Any, T]) -> T:
    """What `work` answers. Whoever is cancelled meanwhile, however often, is so only when it has ended.

    It must have a time limit of its own.
    """
    task = asyncio.create_task(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled() and (trouble := task.exception()) is not None:
        log.warning("call.ended_unheard", error=repr(trouble))
    raise cancelled


async def written(broker: Broker, write: Callable[[AsyncSession], Awaitable[None]]) -> None:
    """Write down what a paid call was answered, again and again while Postgres is away: it is known nowhere else.

    Raises DatabaseAway in the end.
    """
    gives_up_at = time.monotonic() + WRITE_WITHIN_S
    while True:
        try:
            async with broker.db.transaction() as db:
                return await write(db)
        except DatabaseAway:
            if time.monotonic() > gives_up_at:
                raise
        await asyncio.sleep(WRITE_AGAIN_S)

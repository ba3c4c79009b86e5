"""Waking the workers through ARQ. A ring carries no truth: it may be lost or doubled, and the sweep makes up for it."""

import asyncio
from contextlib import suppress

import structlog
from arq.connections import ArqRedis, RedisSettings, create_pool
from redis.exceptions import RedisError

from app.jobs.wire import deserialize, queue_name, serialize

log = structlog.get_logger()

# Rings within this time are one ring: a worker that wakes takes all that is due.
COALESCE_S = 0.01
RING_WITHIN_S = 2.0
# While Redis is gone nobody waits for it: the sweep finds the work.
RETRY_S = 1.0


class Doorbell:
    """Rings for a lane, after the commit that made work for it. Never raises, never waits for Redis."""

    def __init__(self, redis_url: str) -> None:
        self._settings = RedisSettings.from_dsn(redis_url)
        self._settings.conn_retries = 0
        self._pool: ArqRedis | None = None
        self._lanes: set[str] = set()
        self._ringing: asyncio.Task[None] | None = None

    def ring(self, lane: str) -> None:
        """Let a worker look at the lane soon."""
        self._lanes.add(lane)
        if self._ringing is None or self._ringing.done():
            self._ringing = asyncio.create_task(self._ring_all())

    async def close(self) -> None:
        """Send what waits, then close the connection."""
        if self._ringing is not None:
            await self._ringing
        if self._pool is not None:
            with suppress(RedisError, OSError):
                await self._pool.aclose()

    async def _ring_all(self) -> None:
        await asyncio.sleep(COALESCE_S)
        while self._lanes:
            lane = self._lanes.pop()
            try:
                async with asyncio.timeout(RING_WITHIN_S):
                    await self._ring(lane)
            except (RedisError, OSError) as error:
                log.warning("doorbell.silent", lane=lane, error=repr(error))
                await asyncio.sleep(RETRY_S)
                return

    async def _ring(self, lane: str) -> None:
        if self._pool is None:
            self._pool = await create_pool(self._settings, job_serializer=serialize, job_deserializer=deserialize)
        await self._pool.enqueue_job("wake", lane, _queue_name=queue_name(lane))

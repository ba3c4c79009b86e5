"""Requests a minute for each key, counted in Redis; with Redis gone, in this process, and never not at all.

A process takes tokens in bundles of a hundredth of the limit, so a fast key costs few round trips and the count is
wrong by at most a bundle for each process; at the default limit a bundle is one token and the count is exact. What a
process knows to be used it tells Redis with every question: a minute that began goes on after Redis was wiped or away.
"""

import asyncio
import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

import structlog
from redis.asyncio import BlockingConnectionPool, Redis
from redis.exceptions import RedisError

from app.metrics import COUNTED_LOCALLY

log = structlog.get_logger()

WINDOW_S = 60
BUNDLES = 100
# A Redis that does not answer within this is none.
PATIENCE_S = 0.6
# Enough to keep Redis busy. Without a bound every request of a burst opens one of its own, and times out over it.
CONNECTIONS_MOST = 16
# What is raised when Redis is gone or stuck; redis-py trips over a connection that is closed while it writes.
REDIS_TROUBLE = (RedisError, OSError, AttributeError)
# After Redis failed, this long is counted here before it is asked again.
REST_S = 2.0
REMEMBER_MOST = 20_000

# The key's counter; the bundle that is asked for, the limit, how many are known to be used, and the rest of the window.
TAKE = """
local used = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), tonumber(ARGV[3]))
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then left = tonumber(ARGV[4]) end
local granted = math.max(0, math.min(tonumber(ARGV[1]), tonumber(ARGV[2]) - used))
redis.call('SET', KEYS[1], used + granted, 'PX', left)
return {granted, used + granted, left}
"""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the request may go on, and what the client is told: the limit, what is left, and when it begins anew."""

    is_allowed: bool
    limit: int
    remaining: int
    reset_s: int


@dataclass(slots=True)
class _Window:
    """What this process knows of a key's minute: tokens in hand, how many were used by all, and when it ends; and how
    many requests wait for tokens that one of them is asking Redis for."""

    tokens: int
    used: int
    ends_at: float
    waiting: int = 0
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class RateLimiter:
    """One for each process."""

    def __init__(self, redis_url: str, *, window_s: float = WINDOW_S, patience_s: float = PATIENCE_S) -> None:
        self._window_s = window_s
        self._redis = Redis.from_pool(BlockingConnectionPool.from_url(
            redis_url, max_connections=CONNECTIONS_MOST, timeout=patience_s, socket_timeout=patience_s,
            socket_connect_timeout=patience_s,
        ))
        self._take = self._redis.register_script(TAKE)
        self._windows: dict[UUID, _Window] = {}
        self._rests_until = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def ping(self) -> None:
        """Raise RedisError or OSError if Redis does not answer."""
        await cast(Awaitable[bool], self._redis.ping())

    async def check(self, key_id: UUID, limit: int) -> Verdict:
        """Count one request against the key's limit a minute. Never raises."""
        now = time.monotonic()
        window = self._windows.get(key_id)
        if window is None or window.ends_at <= now:
            window = _Window(tokens=0, used=0, ends_at=now + self._window_s)
            self._remember(key_id, window)
        if window.tokens == 0 and window.used < limit:
            await self._refill(key_id, window, limit)
        is_allowed = window.tokens > 0
        if is_allowed:
            window.tokens -= 1
        remaining = max(0, limit - window.used) + window.tokens
        reset_s = max(1, math.ceil(window.ends_at - time.monotonic()))
        return Verdict(is_allowed, limit, remaining, reset_s)

    async def _refill(self, key_id: UUID, window: _Window, limit: int) -> None:
        """Put tokens into the window, unless all are used: one asks for all who wait."""
        window.waiting += 1
        try:
            async with window.asking:
                if window.tokens == 0 and window.used < limit:
                    await self._ask(key_id, window, limit)
        finally:
            window.waiting -= 1

    async def _ask(self, key_id: UUID, window: _Window, limit: int) -> None:
        now = time.monotonic()
        bundle = max(window.waiting, limit // BUNDLES)
        if now < self._rests_until:
            _refill_here(window, bundle, limit)
            return
        left_ms = max(1, round((window.ends_at - now) * 1_000))
        try:
            answer = self._take(keys=[f"phaya:rate:{key_id}"], args=[bundle, limit, window.used, left_ms])
            granted, used, left_ms = await cast(Awaitable[tuple[int, int, int]], answer)
        except REDIS_TROUBLE as error:
            if now >= self._rests_until:
                log.warning("rate_limit.counts_locally", error=repr(error))
            self._rests_until = time.monotonic() + REST_S
            _refill_here(window, bundle, limit)
            return
        window.tokens += granted
        window.used = max(window.used, used)
        window.ends_at = now + left_ms / 1_000

    def _remember(self, key_id: UUID, window: _Window) -> None:
        if len(self._windows) >= REMEMBER_MOST:
            now = time.monotonic()
            self._windows = {known: it for known, it in self._windows.items() if it.ends_at > now}
        self._windows[key_id] = window


def _refill_here(window: _Window, bundle: int, limit: int) -> None:
    granted = max(0, min(bundle, limit - window.used))
    COUNTED_LOCALLY.inc(granted)
    window.tokens += granted
    window.used += granted

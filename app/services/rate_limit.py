"""Requests a minute for each key, counted in Redis; with Redis gone, in this process, and never not at all.

A process takes tokens in bundles of a hundredth of the limit, so a fast key costs few round trips and the count is
wrong by at most a bundle for each process; at the default limit a bundle is one token and the count is exact.
"""

import math
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import cast
from uuid import UUID

import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

log = structlog.get_logger()

WINDOW_S = 60
BUNDLES = 100
REDIS_TIMEOUT_S = 0.25
# After Redis failed, this long is counted here before it is asked again.
REST_S = 2.0
REMEMBER_MOST = 20_000

TAKE = """
local used = tonumber(redis.call('GET', KEYS[1]) or '0')
local granted = math.min(tonumber(ARGV[1]), tonumber(ARGV[2]) - used)
if granted > 0 then
    used = redis.call('INCRBY', KEYS[1], granted)
    if used == granted then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
end
return {granted, used, redis.call('PTTL', KEYS[1])}
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
    """What this process knows of a key's minute: tokens in hand, how many were used by all, and when it ends."""

    tokens: int
    used: int
    ends_at: float


class RateLimiter:
    """One for each process."""

    def __init__(self, redis_url: str) -> None:
        self._redis = Redis.from_url(
            redis_url, socket_timeout=REDIS_TIMEOUT_S, socket_connect_timeout=REDIS_TIMEOUT_S
        )
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
        if window is None or window.ends_at <= now or (window.tokens == 0 and window.used < limit):
            window = await self._refill(key_id, limit, now)
        is_allowed = window.tokens > 0
        if is_allowed:
            window.tokens -= 1
        remaining = max(0, limit - window.used) + window.tokens
        return Verdict(is_allowed, limit, remaining, max(1, math.ceil(window.ends_at - now)))

    async def _refill(self, key_id: UUID, limit: int, now: float) -> _Window:
        bundle = max(1, limit // BUNDLES)
        if now < self._rests_until:
            return self._refill_here(key_id, limit, now)
        try:
            answer = self._take(keys=[f"phaya:rate:{key_id}"], args=[bundle, limit, WINDOW_S * 1_000])
            granted, used, left_ms = await cast(Awaitable[tuple[int, int, int]], answer)
        except (RedisError, OSError) as error:
            self._rests_until = now + REST_S
            log.warning("rate_limit.counts_locally", error=repr(error))
            return self._refill_here(key_id, limit, now)
        # Others may have refilled while we waited: their tokens stay ours.
        before = self._windows.get(key_id)
        kept = before.tokens if before is not None and before.ends_at > now else 0
        window = _Window(kept + max(0, granted), used, now + max(left_ms, 0) / 1_000)
        self._remember(key_id, window)
        return window

    def _refill_here(self, key_id: UUID, limit: int, now: float) -> _Window:
        window = self._windows.get(key_id)
        if window is None or window.ends_at <= now:
            window = _Window(limit, limit, now + WINDOW_S)
            self._remember(key_id, window)
        elif window.tokens == 0 and window.used < limit:
            window.tokens, window.used = limit - window.used, limit
        return window

    def _remember(self, key_id: UUID, window: _Window) -> None:
        if len(self._windows) >= REMEMBER_MOST:
            now = time.monotonic()
            self._windows = {known: it for known, it in self._windows.items() if it.ends_at > now}
        self._windows[key_id] = window

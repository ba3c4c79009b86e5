"""Requests a minute: exact at the default limit, shared by all processes, and kept when Redis is not."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import httpx
import pytest
from redis.asyncio import Redis

from app.config import Settings
from app.db.engine import Database
from app.db.ids import new_id
from app.embedded import Services
from app.services.rate_limit import RateLimiter
from tests.factories import make_key, make_tenant
from tests.fakes.cache import Cache
from tests.serving import api

CREDITS = "/api/v1/user/credits"


@pytest.fixture
def database_name(module_database: str) -> str:
    return module_database


def patient(services: Services, *, window_s: float = 60) -> RateLimiter:
    """One that does not take a busy machine for a dead Redis."""
    return RateLimiter(services.redis_url, window_s=window_s, patience_s=20)


@pytest.fixture
async def limiter(services: Services) -> AsyncIterator[RateLimiter]:
    limiter = patient(services)
    yield limiter
    await limiter.close()


async def allowed(limiters: list[RateLimiter], *, limit: int, times: int) -> int:
    """How many of so many requests at once, spread over the processes, go through."""
    key_id = new_id()
    verdicts = await asyncio.gather(
        *(limiters[number % len(limiters)].check(key_id, limit) for number in range(times))
    )
    return sum(verdict.is_allowed for verdict in verdicts)


# The count


@pytest.mark.parametrize("limit", [1, 2, 59, 60, 199])
async def test_the_count_is_exact_across_processes(services: Services, limit: int) -> None:
    limiters = [patient(services) for _ in range(4)]

    assert await allowed(limiters, limit=limit, times=3 * limit) == limit

    for limiter in limiters:
        await limiter.close()


async def test_a_high_limit_is_wrong_by_a_bundle_for_each_process_at_most(services: Services) -> None:
    limiters = [patient(services) for _ in range(3)]

    assert 970 <= await allowed(limiters, limit=1_000, times=1_500) <= 1_000

    for limiter in limiters:
        await limiter.close()


async def test_a_burst_in_one_process_leaves_the_others_their_share(services: Services) -> None:
    busy, other = [patient(services) for _ in range(2)]
    key_id = new_id()

    await asyncio.gather(*(busy.check(key_id, 10_000) for _ in range(500)))

    assert (await other.check(key_id, 10_000)).remaining >= 10_000 - 500 - 3 * 100
    await busy.close()
    await other.close()


async def test_what_is_left_counts_down_to_nothing(limiter: RateLimiter) -> None:
    key_id = new_id()

    verdicts = [await limiter.check(key_id, 3) for _ in range(5)]

    assert [(verdict.is_allowed, verdict.remaining) for verdict in verdicts] == [
        (True, 2), (True, 1), (True, 0), (False, 0), (False, 0)
    ]
    assert all(59 <= verdict.reset_s <= 60 and verdict.limit == 3 for verdict in verdicts)


async def test_the_next_window_begins_anew_for_all(services: Services) -> None:
    one, other = [patient(services, window_s=0.3) for _ in range(2)]
    key_id = new_id()
    began_at = time.monotonic()
    assert [(await it.check(key_id, 2)).is_allowed for it in (one, other, one)] == [True, True, False]

    while not (await other.check(key_id, 2)).is_allowed:
        assert time.monotonic() - began_at < 1
        await asyncio.sleep(0.01)

    assert time.monotonic() - began_at >= 0.3
    assert [(await it.check(key_id, 2)).is_allowed for it in (one, other, one)] == [True, False, False]
    await one.close()
    await other.close()


async def test_keys_do_not_count_for_one_another(limiter: RateLimiter) -> None:
    assert [(await limiter.check(new_id(), 1)).is_allowed for _ in range(3)] == [True, True, True]


# What a client sees


@pytest.fixture
async def client(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with api(settings) as client:
        yield client


async def test_the_61st_request_in_a_minute_is_refused(client: httpx.AsyncClient, database: Database) -> None:
    secret = await make_key(database, (await make_tenant(database)).account_id, rate_per_minute=None)
    headers = {"Authorization": f"Bearer {secret}"}

    answers = [await client.get(CREDITS, headers=headers) for _ in range(61)]

    assert Counter(answer.status_code for answer in answers) == {200: 60, 429: 1}
    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == [
        str(left) for left in [*range(59, -1, -1), 0]
    ]
    last = answers[-1]
    message = "Rate limit of 60 requests per minute exceeded"
    assert last.json() == {"success": False, "detail": message, "error": "rate_limited", "message": message}
    assert 1 <= int(last.headers["retry-after"]) <= 60
    assert last.headers["x-ratelimit-limit"] == "60"
    assert abs(int(last.headers["x-ratelimit-reset"]) - time.time() - int(last.headers["retry-after"])) < 2


@pytest.mark.parametrize("path", [CREDITS, "/api/v1/text-to-image/status/nothing"])
async def test_every_request_with_a_key_counts(client: httpx.AsyncClient, database: Database, path: str) -> None:
    secret = await make_key(database, (await make_tenant(database)).account_id, rate_per_minute=2)

    answers = [await client.get(path, headers={"Authorization": f"Bearer {secret}"}) for _ in range(3)]

    assert [answer.headers["x-ratelimit-remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[-1].status_code == 429


async def test_a_key_may_have_a_rate_of_its_own(client: httpx.AsyncClient, database: Database) -> None:
    account_id = (await make_tenant(database)).account_id
    secrets = [await make_key(database, account_id, rate_per_minute=rate) for rate in (1, 3)]

    answers = [
        [(await client.get(CREDITS, headers={"Authorization": f"Bearer {secret}"})).status_code for _ in range(4)]
        for secret in secrets
    ]

    assert answers == [[200, 429, 429, 429], [200, 200, 200, 429]]


async def test_the_operator_sets_the_default(settings: Settings, database: Database) -> None:
    secret = await make_key(database, (await make_tenant(database)).account_id, rate_per_minute=None)

    async with api(settings.model_copy(update={"rate_limit_per_minute": 7})) as client:
        answer = await client.get(CREDITS, headers={"Authorization": f"Bearer {secret}"})

    assert answer.headers["x-ratelimit-limit"] == "7"


# Without Redis


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    cache = Cache(tmp_path / "valkey")
    cache.start()
    yield cache
    cache.close()


async def first(condition: Callable[[], object], *, within_s: float) -> None:
    ends_at = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < ends_at
        await asyncio.sleep(0.01)


async def test_with_redis_killed_the_minute_goes_on_where_it_stood(cache: Cache) -> None:
    limiter, key_id = RateLimiter(cache.url), new_id()
    for _ in range(20):
        assert (await limiter.check(key_id, 60)).is_allowed
    cache.kill()

    verdicts = await asyncio.gather(*(limiter.check(key_id, 60) for _ in range(100)))

    assert sum(verdict.is_allowed for verdict in verdicts) == 40
    assert (await limiter.check(new_id(), 60)).remaining == 59
    await limiter.close()


async def test_with_redis_silent_nobody_waits_for_it_twice(cache: Cache) -> None:
    limiter, key_id = RateLimiter(cache.url), new_id()
    await limiter.check(key_id, 60)
    cache.freeze()
    began_at = time.monotonic()

    verdicts = [await limiter.check(key_id, 60) for _ in range(80)]

    assert time.monotonic() - began_at < 1
    assert sum(verdict.is_allowed for verdict in verdicts) == 59
    await limiter.close()


async def test_with_redis_wiped_the_minute_goes_on_where_it_stood(cache: Cache) -> None:
    one, other = RateLimiter(cache.url), RateLimiter(cache.url)
    key_id = new_id()
    for _ in range(20):
        await one.check(key_id, 30)
    async with Redis.from_url(cache.url) as redis:
        await redis.flushall()

    verdicts = [await limiter.check(key_id, 30) for _ in range(15) for limiter in (one, other)]

    assert sum(verdict.is_allowed for verdict in verdicts) == 10
    await one.close()
    await other.close()


async def test_when_redis_is_back_it_counts_again_and_for_all(cache: Cache) -> None:
    one, other = RateLimiter(cache.url), RateLimiter(cache.url)
    key_id = new_id()
    await one.check(key_id, 60)
    cache.kill()
    for _ in range(9):
        await one.check(key_id, 60)
    cache.start()
    await first(lambda: time.monotonic() > one._rests_until, within_s=5)

    assert (await one.check(key_id, 60)).remaining == 49
    assert (await other.check(key_id, 60)).remaining == 48
    await one.close()
    await other.close()


async def test_no_request_fails_for_want_of_redis(settings: Settings, database: Database, cache: Cache) -> None:
    secret = await make_key(database, (await make_tenant(database)).account_id, rate_per_minute=30)
    headers = {"Authorization": f"Bearer {secret}"}
    moved = settings.model_copy(update={"redis_url": cache.url})

    async with api(moved) as client:
        before = [(await client.get(CREDITS, headers=headers)).status_code for _ in range(10)]
        await asyncio.to_thread(cache.kill)
        after = [(await client.get(CREDITS, headers=headers)).status_code for _ in range(40)]
        ready = await client.get("/ready")

    assert Counter(before + after) == {200: 30, 429: 20}
    assert ready.status_code == 200
    assert ready.json() == {"status": "degraded", "parts": {"postgres": "ok", "storage": "ok", "redis": "down"}}


async def test_a_redis_that_was_never_there_is_none(settings: Settings, database: Database) -> None:
    secret = await make_key(database, (await make_tenant(database)).account_id, rate_per_minute=5)
    nowhere = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})

    async with api(nowhere) as client:
        answers = [
            (await client.get(CREDITS, headers={"Authorization": f"Bearer {secret}"})).status_code for _ in range(7)
        ]

    assert answers == [200] * 5 + [429] * 2

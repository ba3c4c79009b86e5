"""What a key opens, and what is said when it does not: status, body and headers to the letter."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio
from sqlalchemy import text

from app.accounts.keys import ALL_SERVICES
from app.config import Settings
from app.db.engine import Database
from app.services.accounts import create_key, revoke_key
from app.services.authenticate import FRESH_S, KeyCache
from app.services.guesses import FREE, PER_SECOND
from tests.factories import make_key, make_tenant
from tests.serving import api

CREATE = "/api/v1/text-to-image/generate"
BOAT = {"prompt": "a boat"}


# One API serves the module: making one takes longer than most of its tests.
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def database(module_pool: Database) -> Database:
    return module_pool


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def client(module_settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    async with api(module_settings.model_copy(update={"kie_api_keys": ("never-asked",)})) as client:
        yield client


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


async def key_of(database: Database, *, scopes: Sequence[str] = ALL_SERVICES, **limits: Any) -> str:
    """The secret of a new key of a new account."""
    return await make_key(database, (await make_tenant(database)).account_id, scopes=scopes, **limits)


UNKNOWN = "pk_" + "x" * 48


@pytest.mark.parametrize(("headers", "message"), [
    ({}, "Missing or malformed API key"),
    ({"Authorization": ""}, "Missing or malformed API key"),
    ({"Authorization": "Bearer"}, "Missing or malformed API key"),
    ({"Authorization": "Bearer   "}, "Missing or malformed API key"),
    ({"Authorization": f"Basic {UNKNOWN}"}, "Missing or malformed API key"),
    ({"Authorization": UNKNOWN}, "Missing or malformed API key"),
    (bearer("x" * 257), "Missing or malformed API key"),
    (bearer(UNKNOWN), "Invalid API key"),
    (bearer("'; DROP TABLE api_keys; --"), "Invalid API key"),
    (bearer("pk_\u00e9"), "Invalid API key"),
])
@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/api/v1/user/profile"), ("POST", CREATE), ("GET", "/api/v1/text-to-image/status/x"),
    ("POST", "/api/v1/media/upload"),
])
async def test_who_has_no_key_is_told_so(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str], message: str
) -> None:
    encoded = {name.encode(): value.encode() for name, value in headers.items()}

    answer = await client.request(method, path, headers=encoded, json={})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json() == {"success": False, "detail": message, "error": "invalid_api_key", "message": message}
    assert "x-ratelimit-limit" not in answer.headers


async def test_the_scheme_is_read_whatever_its_case(client: httpx.AsyncClient, database: Database) -> None:
    secret = await key_of(database)

    answer = await client.get("/api/v1/user/profile", headers={"Authorization": f"bEARER  {secret} "})

    assert answer.status_code == 200


async def test_an_expired_key_is_unknown_from_that_moment(client: httpx.AsyncClient, database: Database) -> None:
    expires_at = datetime.now(UTC) + timedelta(seconds=1)
    secret = await key_of(database, expires_at=expires_at)
    assert (await client.get("/api/v1/user/credits", headers=bearer(secret))).status_code == 200

    asked_at = datetime.now(UTC)
    while (answer := await client.get("/api/v1/user/credits", headers=bearer(secret))).status_code == 200:
        assert asked_at < expires_at
        await asyncio.sleep(0.02)
        asked_at = datetime.now(UTC)

    assert answer.json()["message"] == "Invalid API key"
    assert datetime.now(UTC) >= expires_at


async def test_a_revoked_key_is_refused_by_every_process_within_a_second(
    module_settings: Settings, database: Database
) -> None:
    tenant = await make_tenant(database)
    async with database.transaction() as db:
        key, secret = await create_key(
            db, tenant.account_id, actor="test", name="lost", scopes=ALL_SERVICES, rate_per_minute=100_000
        )
    async with api(module_settings) as one, api(module_settings) as other:
        async def status(client: httpx.AsyncClient) -> int:
            return (await client.get("/api/v1/user/credits", headers=bearer(secret))).status_code

        assert [await status(one), await status(other)] == [200, 200]
        async with database.transaction() as db:
            await revoke_key(db, key.id, actor="test")
        revoked_at = time.monotonic()
        while 200 in (answers := await asyncio.gather(status(one), status(other))):
            assert time.monotonic() - revoked_at < 1
            await asyncio.sleep(0.01)

        assert list(answers) == [401, 401]


async def test_a_key_that_is_in_use_makes_nobody_wait(database: Database) -> None:
    secret, cache = await key_of(database), KeyCache(database)

    @asynccontextmanager
    async def postgres_is_slow() -> AsyncIterator[None]:
        async with database.transaction() as db:
            await db.execute(text("LOCK TABLE api_keys IN ACCESS EXCLUSIVE MODE"))
            yield

    await cache.find(secret)
    for _ in range(3):
        await asyncio.sleep(FRESH_S * 0.6)
        async with postgres_is_slow(), asyncio.timeout(FRESH_S * 0.1):
            assert await cache.find(secret)

    await asyncio.sleep(FRESH_S * 1.1)
    async with postgres_is_slow():
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(FRESH_S * 0.1):
                await cache.find(secret)


@pytest.mark.parametrize(("scopes", "route", "wanted"), [
    (["video"], f"POST {CREATE}", "text-to-image"),
    (["account:read"], f"POST {CREATE}", "text-to-image"),
    ([], f"POST {CREATE}", "text-to-image"),
    (["admin"], f"POST {CREATE}", "text-to-image"),
    (["image"], "GET /api/v1/user/credits", "account:read"),
    (["image"], "GET /api/v1/text-to-image/history", None),
    (["image"], "GET /api/v1/media/queue/stats", "media"),
    (["llm"], "POST /api/v1/media/upload", "media"),
])
async def test_a_key_does_what_its_scopes_say(
    client: httpx.AsyncClient, database: Database, scopes: list[str], route: str, wanted: str | None
) -> None:
    secret = await key_of(database, scopes=scopes)

    answer = await client.request(*route.split(), headers=bearer(secret), json=BOAT)

    if wanted is None:
        assert answer.status_code == 200
        return
    message = f"This key has no permission for {wanted}"
    assert answer.status_code == 403
    assert answer.json() == {"success": False, "detail": message, "error": "forbidden", "message": message}


@pytest.mark.parametrize("scope", ["image", "text-to-image"])
async def test_a_group_and_a_service_open_the_service(
    client: httpx.AsyncClient, database: Database, scope: str
) -> None:
    secret = await key_of(database, scopes=[scope])

    answer = await client.post(CREATE, headers=bearer(secret), json=BOAT)

    assert answer.status_code == 200


@pytest.mark.parametrize(("addresses", "caller", "status"), [
    (["10.1.2.3"], "10.1.2.3", 200),
    (["10.1.2.3"], "10.1.2.4", 403),
    (["10.1.0.0/16", "2001:db8::/32"], "10.1.255.255", 200),
    (["10.1.0.0/16", "2001:db8::/32"], "2001:db8::7", 200),
    (["10.1.0.0/16"], "::ffff:10.1.2.3", 200),
    (["10.1.0.0/16"], "2001:db8::7", 403),
    (["2001:db8::/32"], "10.1.2.3", 403),
    (["0.0.0.0/0"], "a-unix-socket", 403),
    ([], "a-unix-socket", 200),
])
async def test_a_key_is_used_from_its_addresses(
    module_settings: Settings, database: Database, addresses: list[str], caller: str, status: int
) -> None:
    secret = await key_of(database, addresses=addresses)

    async with api(module_settings, address=caller) as client:
        answer = await client.get("/api/v1/user/credits", headers=bearer(secret))

    assert answer.status_code == status
    if status == 403:
        message = "This key may not be used from this address"
        assert answer.json() == {"success": False, "detail": message, "error": "forbidden", "message": message}


async def test_a_forwarded_address_is_not_believed(module_settings: Settings, database: Database) -> None:
    secret = await key_of(database, addresses=["10.1.2.3"])

    async with api(module_settings, address="192.0.2.1") as client:
        answer = await client.get(
            "/api/v1/user/credits", headers=bearer(secret) | {"X-Forwarded-For": "10.1.2.3", "X-Real-IP": "10.1.2.3"}
        )

    assert answer.status_code == 403


async def test_a_keys_own_cap_is_a_402_with_what_is_left_of_it(client: httpx.AsyncClient, database: Database) -> None:
    secret = await key_of(database, credit_limit="1.5")

    first = await client.post(CREATE, headers=bearer(secret), json=BOAT)
    second = await client.post(CREATE, headers=bearer(secret), json=BOAT)

    message = "Insufficient credits: 1.00 required, 0.50 available"
    assert first.status_code == 200
    assert second.status_code == 402
    assert second.json() == {
        "success": False, "detail": message, "error": "insufficient_credits", "message": message,
        "required": 1.0, "credits_balance": 99.0, "available": 0.5,
    }


async def test_the_credential_is_checked_before_the_body_and_the_body_before_the_credits(
    client: httpx.AsyncClient, database: Database
) -> None:
    poor = await make_tenant(database, "0")
    secret = await make_key(database, poor.account_id)

    answers = [
        await client.post(CREATE, headers=bearer(UNKNOWN), content=b"{"),
        await client.post(CREATE, headers=bearer(secret), content=b"{"),
        await client.post(CREATE, headers=bearer(secret), json={}),
        await client.post(CREATE, headers=bearer(secret), json=BOAT),
    ]

    assert [answer.status_code for answer in answers] == [401, 400, 422, 402]


async def test_who_guesses_is_slowed_down_and_who_has_a_key_is_not(
    module_settings: Settings, database: Database
) -> None:
    secret = await key_of(database)

    async with api(module_settings, address="198.51.100.7") as client:
        async def status(key: str) -> int:
            return (await client.get("/api/v1/user/credits", headers=bearer(key))).status_code

        began_at = time.monotonic()
        guesses = asyncio.gather(*(status(f"pk_{number:048}") for number in range(FREE + 10)))
        assert await status(secret) == 200
        answers = await guesses

    assert Counter(answers) == {401: FREE + 10}
    assert time.monotonic() - began_at >= 10 / PER_SECOND

"""`/metrics`: who may read it, and whether it tells the truth."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from app.config import Settings
from app.db.engine import Database
from app.embedded.ports import free_port
from app.jobs import queries
from app.ledger import HoldKind, find_last_audit
from app.services.broker import open_broker
from app.services.end_job import fail
from app.services.housekeeping import audit_by_the_clock
from tests.factories import make_job, make_key, make_tenant
from tests.serving import api
from tests.stack import NO_CERTIFICATES

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "a-token-that-nobody-guesses"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def open_settings(module_settings: Settings) -> Settings:
    token = {"metrics_token": TOKEN, "kie_api_keys": "one,two", "gemini_api_keys": "three"}
    return Settings.model_validate(module_settings.model_dump(exclude_unset=True) | token)


@dataclass(frozen=True)
class Scraper:
    http: httpx.AsyncClient

    async def read(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        answer = await self.http.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/plain; version=")
        return samples(answer.text)

    async def value(self, name: str, **labels: str) -> float:
        return (await self.read()).get((name, tuple(sorted(labels.items()))), 0)


def samples(exposition: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition) for sample in family.samples
    }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scraper(open_settings: Settings) -> AsyncIterator[Scraper]:
    async with api(open_settings) as http:
        yield Scraper(http)


# Who


async def test_it_is_for_the_token_and_for_admins(scraper: Scraper, module_pool: Database) -> None:
    account_id = (await make_tenant(module_pool)).account_id
    admin, mortal = [await make_key(module_pool, account_id, scopes=[scope]) for scope in ("admin", "account:read")]

    async def status(secret: str) -> int:
        header = {b"Authorization": f"Bearer {secret}".encode()}
        return (await scraper.http.get("/metrics", headers=header)).status_code

    assert [await status(secret) for secret in (TOKEN, admin, mortal, TOKEN[:-1], "é")] == [200, 200, 403, 401, 401]
    assert (await scraper.http.get("/metrics")).status_code == 401


async def test_without_a_token_it_is_for_admins_alone(module_settings: Settings) -> None:
    async with api(module_settings) as http:
        assert (await http.get("/metrics", headers={"Authorization": "Bearer None"})).status_code == 401
        assert (await http.get("/metrics", headers={"Authorization": "Bearer "})).status_code == 401


# Requests


@pytest.mark.parametrize(("method", "path", "route", "status"), [
    ("GET", "/health", "/health", "200"),
    ("GET", "/openapi.json", "/openapi.json", "200"),
    ("GET", "/files/some/name.png", "/files/{token}/{filename}", "404"),
    ("GET", "/api/v1/admin/accounts/some/keys", "/api/v1/admin/accounts/{account_id}/keys", "401"),
    ("PUT", "/api/v1/admin/rates/a/b/c", "/api/v1/admin/rates/{service}/{name}", "401"),
    ("POST", "/api/v1/text-to-image/generate", "/api/v1/text-to-image/generate", "401"),
    ("GET", "/api/v1/text-to-image/status/some", "/api/v1/text-to-image/status/{job_id}", "401"),
    ("GET", "/api/v1/text-to-image/status/a/b", "unmatched", "404"),
    ("GET", "/wp-admin.php", "unmatched", "404"),
    ("DELETE", "/health", "/health", "405"),
])
async def test_requests_are_counted_by_template(
    scraper: Scraper, method: str, path: str, route: str, status: str
) -> None:
    async def count() -> float:
        return await scraper.value("phaya_http_request_seconds_count", method=method, route=route, status=status)

    before = await count()
    for _ in range(3):
        assert (await scraper.http.request(method, path)).status_code == int(status)

    assert await count() - before == 3


async def test_strange_methods_are_one_series(scraper: Scraper) -> None:
    for method in ("BREW", "PROPFIND"):
        await scraper.http.request(method, "/health")

    methods = {dict(labels).get("method") for name, labels in await scraper.read() if name.endswith("_count")}

    assert "other" in methods
    assert not methods & {"BREW", "PROPFIND"}


async def test_requests_are_timed(scraper: Scraper) -> None:
    await scraper.http.get("/health")

    labels = {"method": "GET", "route": "/health", "status": "200"}

    assert await scraper.value("phaya_http_request_seconds_sum", **labels) > 0
    assert await scraper.value("phaya_http_request_seconds_bucket", **labels, le="60.0") > 0


async def test_what_is_counted_without_redis_is_said(
    scraper: Scraper, module_settings: Settings, module_pool: Database
) -> None:
    secret = await make_key(module_pool, (await make_tenant(module_pool)).account_id, rate_per_minute=60)
    before = await scraper.value("phaya_rate_limit_local_total")

    async with api(module_settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})) as http:
        answers = [
            await http.get("/api/v1/user/credits", headers={"Authorization": f"Bearer {secret}"}) for _ in range(4)
        ]
    assert [answer.status_code for answer in answers] == [200] * 4

    assert await scraper.value("phaya_rate_limit_local_total") - before == 4


# Jobs, money, keys


async def test_the_queue_is_told(scraper: Scraper, module_pool: Database) -> None:
    tenant = await make_tenant(module_pool, "100")
    queued = {"lane": "kie", "state": "queued"}
    before, flagged_before = await scraper.value("phaya_jobs", **queued), await scraper.value("phaya_jobs_flagged")

    old, lost = [await make_job(module_pool, tenant) for _ in range(2)]
    async with module_pool.transaction() as db:
        await db.execute(
            text("UPDATE jobs SET created_at = now() - interval '1 hour', deadline_at = now() - interval '40 seconds'"
                 " WHERE id = :id"), {"id": old.id},
        )
        await fail(db, lost, reason="unclear", error="Lost", is_flagged=True)

    assert await scraper.value("phaya_jobs", **queued) - before == 1
    assert await scraper.value("phaya_jobs_flagged") - flagged_before == 1
    assert 3_600 <= await scraper.value("phaya_jobs_oldest_seconds", **queued) < 3_660
    assert 40 <= await scraper.value("phaya_jobs_overdue_seconds") < 100
    async with module_pool.transaction() as db:
        await db.execute(text("UPDATE jobs SET deadline_at = now() + interval '1 hour'"))
    assert await scraper.value("phaya_jobs_overdue_seconds") == 0


async def test_the_money_is_told(scraper: Scraper, module_pool: Database) -> None:
    async def money() -> list[float]:
        figures = ("balance", "available", "held_visible", "held_deferred")
        return [await scraper.value("phaya_credits", figure=figure) for figure in figures]

    before = await money()
    tenant = await make_tenant(module_pool, "100")
    await make_job(module_pool, tenant, "8")
    await make_job(module_pool, tenant, "0.5", kind=HoldKind.DEFERRED)

    assert [now - then for now, then in zip(await money(), before, strict=True)] == [92, 91.5, 8, 0.5]


async def test_keys_at_rest_are_told(scraper: Scraper, module_pool: Database) -> None:
    async with module_pool.transaction() as db:
        await queries.rest_key(db, "kie", "abcd", for_s=60)
        await queries.rest_key(db, "kie", "efgh", for_s=-1)

    assert await scraper.value("phaya_provider_keys", provider="kie") == 2
    assert await scraper.value("phaya_provider_keys", provider="gemini") == 1
    assert await scraper.value("phaya_provider_keys_resting", provider="kie") == 1


async def test_the_last_audit_is_told(scraper: Scraper, open_settings: Settings, module_pool: Database) -> None:
    tenant = await make_tenant(module_pool)
    spent = text("UPDATE key_budgets SET spent = :spent WHERE key_id = :key")
    async with module_pool.transaction() as db:
        await db.execute(text("DELETE FROM idempotency_keys"))
        await db.execute(spent, {"spent": 5, "key": tenant.key_id})

    async with open_broker(open_settings) as broker:
        await audit_by_the_clock(broker)
        async with module_pool.statement() as db:
            first = await find_last_audit(db)
        await audit_by_the_clock(broker)
    async with module_pool.transaction() as db:
        second = await find_last_audit(db)
        await db.execute(spent, {"spent": 0, "key": tenant.key_id})

    assert first == second  # Another worker has just done it.
    assert await scraper.value("phaya_audit_violations") == 1
    assert abs(time.time() - await scraper.value("phaya_audit_timestamp_seconds")) < 60


async def test_without_the_database_the_rest_is_told(open_settings: Settings) -> None:
    nowhere = {"database_url": "postgresql+asyncpg://a:b@127.0.0.1:1/x"}
    settings = Settings.model_validate(open_settings.model_dump(exclude_unset=True) | nowhere)

    async with api(settings) as http:
        scraper = Scraper(http)
        assert await scraper.value("phaya_database_up") == 0
        assert await scraper.value("phaya_provider_keys", provider="kie") == 2


# Several processes


@pytest.fixture
def two_processes(open_settings: Settings, tmp_path: Path) -> Iterator[str]:
    """The address of an API of two processes, as `phaya api` starts it."""
    port = free_port()
    variables = {
        "PHAYA_ENVIRONMENT": "embedded", "PHAYA_DATABASE_URL": str(open_settings.database_url),
        "PHAYA_REDIS_URL": str(open_settings.redis_url), "PHAYA_METRICS_TOKEN": TOKEN, "PHAYA_API_PROCESSES": "2",
        "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path / "tmp"),
    }
    (tmp_path / "tmp").mkdir()
    with subprocess.Popen(
        [sys.executable, "-m", "app.cli", "api", "--port", str(port)], cwd=tmp_path, env=os.environ | variables,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:
        yield f"http://127.0.0.1:{port}"
        process.terminate()
    assert list((tmp_path / "tmp").glob("phaya-metrics-*")) == []


async def test_several_processes_count_together(two_processes: str) -> None:
    labels = (("method", "GET"), ("route", "/health"), ("status", "200"))

    async def ask(path: str) -> httpx.Response:
        # A connection of its own: the kernel hands it to either process.
        async with httpx.AsyncClient(base_url=two_processes, trust_env=False, verify=NO_CERTIFICATES) as http:
            return await http.get(path, headers={"Authorization": f"Bearer {TOKEN}"})

    ends_at = time.monotonic() + 90
    while True:
        try:
            await ask("/ready")
            break
        except httpx.TransportError:
            assert time.monotonic() < ends_at
            await asyncio.sleep(0.05)

    await asyncio.gather(*(ask("/health") for _ in range(40)))
    scrapes = await asyncio.gather(*(ask("/metrics") for _ in range(10)))

    assert {samples(scrape.text)["phaya_http_request_seconds_count", labels] for scrape in scrapes} == {40}

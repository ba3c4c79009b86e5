"""A key and 20 identical posts at once are one job and one debit, for every key, over several APIs at once."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text

from app.config import Settings
from app.db.engine import Database
from app.services.audit_ledger import audit_ledger
from tests.books import balance_of, view
from tests.factories import make_key, make_tenant
from tests.serving import api

POSTS = 20
APIS = 3
KEYS_AT_ONCE = 8


@pytest.mark.timeout(900)
async def test_every_key_is_one_job_and_one_debit(settings: Settings, database: Database, *, is_long: bool) -> None:
    keys = 1_000 if is_long else 50
    # Credits for one job a key and no more: one doubled debit, and the last key is refused.
    tenant = await make_tenant(database, str(keys))
    secret = await make_key(database, tenant.account_id, rate_per_minute=10_000_000)
    began = time.monotonic()

    with_provider = settings.model_copy(update={"kie_api_keys": ("a-key",)})
    async with AsyncExitStack() as stack:
        apis = [await stack.enter_async_context(api(with_provider)) for _ in range(APIS)]
        places = asyncio.Semaphore(KEYS_AT_ONCE)
        found = await asyncio.gather(*(post_all(apis, secret, f"key-{number}", places) for number in range(keys)))

    took_s = time.monotonic() - began
    print(f"{keys} keys x {POSTS} posts in {took_s:.1f} s: {keys * POSTS / took_s:,.0f} a second")  # noqa: T201
    jobs = {job_id for job_ids in found for job_id in job_ids}
    assert [len(set(job_ids)) for job_ids in found] == [1] * keys
    assert len(jobs) == keys
    async with database.statement() as db:
        entries = (await db.execute(text("SELECT job_id FROM ledger_entries WHERE kind = 'debit'"))).scalars().all()
    assert sorted(entries) == sorted(jobs)
    assert await balance_of(database, tenant) == view("0")
    assert (await audit_ledger(database)).is_clean


async def post_all(
    apis: Sequence[httpx.AsyncClient], secret: str, key: str, places: asyncio.Semaphore
) -> list[UUID]:
    """The jobs that the posts under one key were answered with; all but one are replays."""
    headers = {"Authorization": f"Bearer {secret}", "Idempotency-Key": key}
    async with places:
        answers = await asyncio.gather(*(
            apis[number % APIS].post("/api/v1/text-to-image/generate", json={"prompt": key}, headers=headers)
            for number in range(POSTS)
        ))
    assert {answer.status_code for answer in answers} == {200}, {answer.text for answer in answers}
    assert sum(answer.headers.get("idempotent-replayed") == "true" for answer in answers) == POSTS - 1
    return [UUID(answer.json()["job_id"]) for answer in answers]

"""Redis takes commands and answers none: requests and workers go on without it, and limits are kept."""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.config import Settings
from app.db.engine import Database
from app.jobs.states import JobState
from app.services.rate_limit import PATIENCE_S
from tests.books import balance_of, view
from tests.factories import make_key, make_tenant
from tests.fakes.cache import Cache
from tests.serving import api
from tests.workbench import workbench
from workers.run import run_worker
from workers.settings import Kind
from workers.steppers import upstream_steppers

RATE = 30
ENDS_WITHIN_S = 10


@pytest.fixture
def stuck(settings: Settings, tmp_path: Path) -> Iterator[Settings]:
    """Settings whose Redis is frozen."""
    cache = Cache(tmp_path / "valkey")
    cache.start()
    cache.freeze()
    yield settings.model_copy(update={
        "redis_url": cache.url, "kie_api_keys": ("never-asked",), "storage_dir": tmp_path / "files", "sweep_s": 0.05,
    })
    cache.close()


async def test_creates_go_on_and_the_rate_is_kept_here(stuck: Settings, database: Database) -> None:
    tenant = await make_tenant(database, "100")
    key = await make_key(database, tenant.account_id, rate_per_minute=RATE)
    async with api(stuck) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        began_at = time.monotonic()
        answers = await asyncio.gather(*(
            client.post("/api/v1/text-to-image/generate", json={"prompt": "a boat"}) for _ in range(RATE + 10)
        ))
        took_s = time.monotonic() - began_at

    assert Counter(answer.status_code for answer in answers) == {200: RATE, 429: 10}
    # Some wait for a connection, then for an answer.
    assert took_s < 2 * PATIENCE_S + 1
    assert await balance_of(database, tenant) == view(str(100 - RATE))


async def test_a_worker_finds_its_work_by_the_clock_and_can_be_stopped(stuck: Settings, database: Database) -> None:
    tenant = await make_tenant(database, "10")
    async with workbench(stuck) as bench:
        job_id = (await bench.ask(tenant)).job_id
        kind = Kind("a-queue", lambda broker: upstream_steppers(bench.broker), drain_s=1)
        async with asyncio.timeout(ENDS_WITHIN_S):
            working = asyncio.create_task(run_worker(stuck, kind))
            while (await bench.job(job_id)).state is not JobState.RUNNING:  # noqa: ASYNC110 - the worker does it
                await asyncio.sleep(0.02)
            os.kill(os.getpid(), signal.SIGTERM)
            await working

    assert list(bench.upstream.asked.values()) == [1]

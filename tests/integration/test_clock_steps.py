"""A machine whose clock is wrong: what is due, overdue or lost is told by Postgres' clock alone."""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text

from app.accounts.keys import KeyRecord
from app.config import Settings
from app.db.engine import Database
from app.jobs import queries
from app.jobs.models import Job
from app.jobs.states import JobState
from app.purses.readings import newest_readings
from app.sandbox.server import running
from app.services.advance_job import advance
from app.services.broker import Broker, open_broker
from app.services.cancel_job import cancel_job
from app.services.submit_job import submit_job
from app.services.take_work import Step, take_local_work, take_upstream_work
from tests.factories import Tenant, make_tenant
from tests.stack import FAST_SANDBOX

SHIM = Path(__file__).parents[1] / "fakes/clock.c"
TWO_DAYS_S = 172_800
ENDS_WITHIN_S = 20
COMPILER = shutil.which("cc")

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or COMPILER is None, reason="a process gets a clock of its own by a library made with cc"
)


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    subprocess.run([str(COMPILER), "-shared", "-fPIC", "-o", str(library), str(SHIM), "-ldl"], check=True)
    return library


@pytest.fixture
async def broker(settings: Settings, tmp_path: Path) -> AsyncIterator[Broker]:
    with running(FAST_SANDBOX) as sandbox_url:
        changes = {
            "kie_api_keys": ("kie",), "kie_base_url": f"{sandbox_url}/kie", "kie_upload_url": f"{sandbox_url}/kie",
            "gemini_api_keys": ("gemini",), "gemini_base_url": f"{sandbox_url}/gemini",
            "storage_dir": tmp_path / "files", "work_dir": tmp_path / "work", "sweep_s": 0.1,
        }
        async with open_broker(settings.model_copy(update=changes)) as broker:
            yield broker


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, "100")


@contextmanager
def worker(settings: Settings, shim: Path, ahead_s: int) -> Iterator[None]:
    names = ("environment", "database_url", "redis_url", "storage_dir", "work_dir", "sweep_s", "kie_base_url",
             "kie_upload_url", "gemini_base_url")
    env = {f"PHAYA_{name.upper()}": str(getattr(settings, name)) for name in names}
    env |= {"PHAYA_KIE_API_KEYS": "kie", "PHAYA_GEMINI_API_KEYS": "gemini"}
    env |= {"LD_PRELOAD": str(shim), "CLOCK_IS_AHEAD_S": str(ahead_s)}
    process = subprocess.Popen([sys.executable, "-m", "app.cli", "worker"], env=os.environ | env)
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def ask(broker: Broker, tenant: Tenant, service_id: str) -> UUID:
    service = broker.service(service_id)
    caller = KeyRecord(tenant.key_id, tenant.account_id, frozenset(), (), None)
    request = service.request.model_validate({"prompt": "a boat"})
    return (await submit_job(broker, caller, service, request)).job_id


async def lose_answer(broker: Broker, tenant: Tenant) -> UUID:
    """A job whose answer has just been lost, which somebody is to look at again."""
    job_id = await ask(broker, tenant, "text-to-image")
    [step] = (await take_upstream_work(broker, broker.providers["kie"], 1)).steps
    await advance(broker, Step(step.job, step.attempt))
    async with broker.db.statement() as db:
        await queries.wake(db, job_id)
    return job_id


async def read(broker: Broker, job_id: UUID) -> Job:
    async with broker.db.statement() as db:
        return (await queries.load(db, [job_id]))[0]


async def has_ended(broker: Broker, job_id: UUID) -> bool:
    return (await read(broker, job_id)).ended_at is not None


async def is_rested(broker: Broker, job_id: UUID) -> bool:
    query = text("SELECT next_step_at > now() + interval '1 minute' FROM jobs WHERE id = :id")
    async with broker.db.statement() as db:
        return bool(await db.scalar(query, {"id": job_id}))


async def is_purse_seen(broker: Broker) -> bool:
    async with broker.db.statement() as db:
        return bool(await newest_readings(db, broker.purses.keys))


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(ENDS_WITHIN_S):
        while not await condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)


async def test_a_clock_that_is_ahead_ends_nothing_early(broker: Broker, tenant: Tenant, shim: Path) -> None:
    speech, unclear = await ask(broker, tenant, "text-to-speech"), await lose_answer(broker, tenant)

    with worker(broker.settings, shim, TWO_DAYS_S):
        await until(lambda: has_ended(broker, speech))
        await until(lambda: is_rested(broker, unclear))

    assert (await read(broker, speech)).state is JobState.SUCCEEDED
    assert (await read(broker, unclear)).state is JobState.UNCLEAR
    await cancel_job(broker, unclear)


async def test_a_clock_that_is_behind_keeps_nothing_for_longer(broker: Broker, tenant: Tenant, shim: Path) -> None:
    speech, unclear = await ask(broker, tenant, "text-to-speech"), await lose_answer(broker, tenant)
    assert len((await take_local_work(broker, "speech", 1)).steps) == 1
    async with broker.db.statement() as db:
        await db.execute(text("UPDATE jobs SET deadline_at = now(), lease_until = now(), next_step_at = now()"))

    with worker(broker.settings, shim, -TWO_DAYS_S):
        for job_id in (speech, unclear):
            await until(partial(has_ended, broker, job_id))

    ended = [await read(broker, job_id) for job_id in (speech, unclear)]
    assert [(job.state, job.reason) for job in ended] == [(JobState.FAILED, "expired"), (JobState.FAILED, "unclear")]


@pytest.mark.parametrize("ahead_s", [TWO_DAYS_S, -TWO_DAYS_S])
async def test_what_a_purse_told_is_no_older_or_newer_for_a_wrong_clock(
    broker: Broker, shim: Path, ahead_s: int
) -> None:
    with worker(broker.settings, shim, ahead_s):
        await until(lambda: is_purse_seen(broker))

    async with broker.db.statement() as db:
        away = await db.scalar(text("SELECT max(abs(extract(epoch FROM now() - seen_at))) FROM purse_readings"))
    assert away < 60

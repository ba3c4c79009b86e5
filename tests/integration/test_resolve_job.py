"""The operator settles a job whose answer was lost, over REST and at the terminal."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import httpx
import pytest
from click.testing import CliRunner, Result

from app.accounts.listing import list_acts
from app.cli import main
from app.config import Settings, get_settings
from app.db.engine import Database
from app.jobs.states import JobState
from app.services.housekeeping import expire_jobs
from tests.books import balance_of, view
from tests.factories import Tenant, make_key, make_tenant
from tests.fakes.upstream import Mood
from tests.serving import api
from tests.workbench import Workbench, workbench

GRACE_S = 900.0


@pytest.fixture
async def bench(settings: Settings) -> AsyncIterator[Workbench]:
    async with workbench(settings) as bench:
        yield bench
        await bench.wait(10_000)
        await expire_jobs(bench.broker)


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, "10")


@pytest.fixture
async def operator(settings: Settings, database: Database, tenant: Tenant) -> AsyncIterator[httpx.AsyncClient]:
    key = await make_key(database, tenant.account_id, scopes=["admin"])
    async with api(settings) as client:
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


@pytest.fixture
async def lost(bench: Workbench, tenant: Tenant) -> UUID:
    """A job that the provider has done, whose answer was lost."""
    bench.upstream.mood = Mood.LOSE_ANSWER
    job_id = (await bench.ask(tenant)).job_id
    await bench.work()
    bench.upstream.finish("task-1")
    return job_id


async def resolve(operator: httpx.AsyncClient, job_id: UUID, **body: str) -> httpx.Response:
    return await operator.post(f"/api/v1/admin/jobs/{job_id}/resolve", json=body)


async def type_words(settings: Settings, *words: str) -> Result:
    env = {"PHAYA_DATABASE_URL": str(settings.database_url), "PHAYA_ENVIRONMENT": "embedded"}
    get_settings.cache_clear()
    # A command opens an event loop of its own.
    return await asyncio.to_thread(CliRunner().invoke, main, words, env=env, catch_exceptions=False)


async def test_a_task_that_the_operator_found_is_taken_up_and_charged(
    bench: Workbench, lost: UUID, operator: httpx.AsyncClient, database: Database, tenant: Tenant
) -> None:
    answer = await resolve(operator, lost, outcome="succeeded", task_id="task-1", note="Seen in their dashboard")
    assert (answer.status_code, answer.json()["state"]) == (200, "unclear")

    while await bench.work():
        pass

    job = await bench.job(lost)
    assert (job.state, job.result["values"]) == (JobState.SUCCEEDED, {"character_id": "made by task-1"})
    assert await balance_of(database, tenant) == view("6")
    async with database.statement() as db:
        act = (await list_acts(db, limit=1))[0]
    assert (act.act, act.subject, act.detail["note"]) == ("job.resolve", str(lost), "Seen in their dashboard")


async def test_a_job_that_did_not_happen_is_refunded_at_once(
    bench: Workbench, lost: UUID, settings: Settings, database: Database, tenant: Tenant
) -> None:
    typed = await type_words(settings, "job", "resolve", str(lost), "--failed", "--note", "Their support says so")
    assert (typed.exit_code, typed.output) == (0, "The job is failed\n")

    job = await bench.job(lost)
    assert (job.state, job.reason, job.is_flagged) == (JobState.FAILED, "resolved", False)
    assert await balance_of(database, tenant) == view("10")


async def test_a_late_success_changes_nothing_for_the_client(
    bench: Workbench, lost: UUID, operator: httpx.AsyncClient, database: Database, tenant: Tenant
) -> None:
    await bench.wait(GRACE_S)
    await bench.work()
    assert (await bench.job(lost)).is_flagged

    answer = await resolve(operator, lost, outcome="succeeded", task_id="task-1", note="It came a day later")
    assert (answer.status_code, answer.json()["state"]) == (200, "failed")

    job = await bench.job(lost)
    assert (job.state, job.is_flagged, (await bench.attempt(lost)).task_id) == (JobState.FAILED, False, "task-1")
    assert await balance_of(database, tenant) == view("10")
    assert (await resolve(operator, lost, outcome="failed", note="Again")).status_code == 409


async def test_what_cannot_be_resolved_is_refused(
    bench: Workbench, lost: UUID, operator: httpx.AsyncClient, settings: Settings, tenant: Tenant
) -> None:
    assert (await resolve(operator, lost, outcome="succeeded", note="But which?")).status_code == 422
    assert (await resolve(operator, lost, outcome="failed", note="")).status_code == 422
    assert (await resolve(operator, uuid4(), outcome="failed", note="Whose?")).status_code == 404
    live = (await bench.ask(tenant)).job_id
    typed = await type_words(settings, "job", "resolve", str(live), "--failed", "--note", "Too early")
    assert (typed.exit_code, typed.stderr) == (1, "Error: The job is neither unclear nor flagged\n")
    assert (await bench.job(lost)).state is JobState.UNCLEAR

"""A paid request whose answer was lost: never sent again, found again where that can be proved, else refunded."""

from collections.abc import AsyncIterator
from decimal import Decimal
from uuid import UUID

import pytest

from app.config import Settings
from app.db.engine import Database
from app.jobs.states import AttemptOutcome, JobState, LeaseLost
from app.services.advance_job import advance
from app.services.cancel_job import cancel_job
from app.services.housekeeping import expire_jobs
from tests.books import balance_of, view
from tests.factories import Tenant, make_tenant
from tests.fakes.upstream import Mood
from tests.workbench import Workbench, workbench

GRACE_S = 900.0


@pytest.fixture
def database_name(module_database: str) -> str:
    return module_database


@pytest.fixture
async def bench(settings: Settings, database: Database) -> AsyncIterator[Workbench]:
    async with workbench(settings) as bench:
        yield bench
        await bench.execute("UPDATE jobs SET deadline_at = now() - interval '1 minute' WHERE ended_at IS NULL")
        await bench.wait(60)
        await bench.work()
        await expire_jobs(bench.broker)


@pytest.fixture
async def tenant(database: Database) -> Tenant:
    return await make_tenant(database, "10")


async def lose(bench: Workbench, tenant: Tenant, mood: Mood = Mood.LOSE_ANSWER) -> tuple[UUID, str]:
    """A job whose answer was lost, and its task upstream, if it was taken."""
    bench.upstream.mood = mood
    job_id = (await bench.ask(tenant, prompt := f"for {tenant.key_id}")).job_id
    assert await bench.work() == 1
    assert (await bench.job(job_id)).state is JobState.UNCLEAR
    return job_id, next(iter(bench.upstream.of(prompt)), "")


async def test_a_callback_finds_the_task_again_and_it_is_not_sent_twice(
    bench: Workbench, tenant: Tenant, database: Database
) -> None:
    job_id, task_id = await lose(bench, tenant)
    bench.upstream.finish(task_id)
    await bench.call_back(bench.upstream.tasks[task_id], task_id)

    while await bench.work():
        pass

    job = await bench.job(job_id)
    assert (job.state, job.result["values"]) == (JobState.SUCCEEDED, {"character_id": f"made by {task_id}"})
    assert (await bench.attempt(job_id)).cost == Decimal("0.8")
    assert set(bench.upstream.asked.values()) == {1}
    assert await balance_of(database, tenant) == view("6")


async def test_a_callback_that_names_another_jobs_task_is_not_believed(bench: Workbench, database: Database) -> None:
    victim, thief = await make_tenant(database, "10"), await make_tenant(database, "10")
    _, stolen = await lose(bench, victim)
    job_id, own = await lose(bench, thief)
    bench.upstream.finish(stolen)
    await bench.call_back(bench.upstream.tasks[own], stolen)

    await bench.work()
    assert (await bench.job(job_id)).state is JobState.UNCLEAR
    await bench.wait(GRACE_S)
    await bench.work()

    assert (await bench.job(job_id)).state is JobState.FAILED


async def test_a_task_that_is_not_shown_yet_is_looked_for_again_soon(bench: Workbench, tenant: Tenant) -> None:
    job_id, task_id = await lose(bench, tenant)
    bench.upstream.is_hidden = True
    await bench.call_back(bench.upstream.tasks[task_id], task_id)
    await bench.work()
    assert (await bench.job(job_id)).state is JobState.UNCLEAR

    bench.upstream.is_hidden = False
    await bench.wait(5)
    await bench.work()

    assert (await bench.job(job_id)).state is JobState.RUNNING


async def test_a_callback_that_came_before_the_loss_was_noticed_counts(bench: Workbench, tenant: Tenant) -> None:
    job_id = (await bench.ask(tenant, prompt := f"for {tenant.key_id}")).job_id
    [step] = await bench.take()
    bench.upstream.mood = Mood.LOSE_ANSWER

    async def die() -> None:
        raise ZeroDivisionError

    bench.upstream.meanwhile = die
    with pytest.raises(ZeroDivisionError):
        await advance(bench.broker, step)
    bench.upstream.meanwhile = None
    [task_id] = bench.upstream.of(prompt)
    await bench.wait(60)
    await bench.call_back(bench.upstream.tasks[task_id], task_id)

    await bench.work()
    assert (await bench.job(job_id)).state is JobState.UNCLEAR
    await bench.work()

    assert (await bench.job(job_id)).state is JobState.RUNNING
    assert bench.upstream.asked[prompt] == 1


@pytest.mark.parametrize("mood", [Mood.LOSE_ANSWER, Mood.LOSE_REQUEST])
async def test_after_the_grace_period_it_fails_with_a_refund_and_a_flag(
    bench: Workbench, tenant: Tenant, database: Database, mood: Mood
) -> None:
    job_id, _ = await lose(bench, tenant, mood)
    await bench.wait(GRACE_S - 1)
    assert await bench.work() == 0
    await bench.wait(1)

    await bench.work()

    job = await bench.job(job_id)
    assert (job.state, job.reason, job.is_flagged) == (JobState.FAILED, "unclear", True)
    assert await balance_of(database, tenant) == view("10")


async def test_the_late_answer_of_a_worker_that_stood_still_is_kept(bench: Workbench, tenant: Tenant) -> None:
    """Its lease ran out while it waited: another calls the job unclear, and then finds the answer in the attempt."""
    job_id = (await bench.ask(tenant, prompt := f"for {tenant.key_id}")).job_id
    [step] = await bench.take()

    async def stand_still() -> None:
        await bench.wait(60)
        [other] = await bench.take()
        await advance(bench.broker, other)
        assert (await bench.job(job_id)).state is JobState.UNCLEAR

    bench.upstream.meanwhile = stand_still
    with pytest.raises(LeaseLost):
        await advance(bench.broker, step)

    await bench.work()
    assert (await bench.job(job_id)).state is JobState.RUNNING
    assert (await bench.attempt(job_id)).task_id in bench.upstream.tasks
    assert bench.upstream.asked[prompt] == 1


async def test_a_late_refusal_ends_the_job(bench: Workbench, tenant: Tenant, database: Database) -> None:
    job_id = (await bench.ask(tenant)).job_id
    [step] = await bench.take()
    bench.upstream.mood = Mood.REFUSE

    async def stand_still() -> None:
        await bench.wait(60)
        [other] = await bench.take()
        await advance(bench.broker, other)

    bench.upstream.meanwhile = stand_still
    with pytest.raises(LeaseLost):
        await advance(bench.broker, step)
    await bench.work()

    job = await bench.job(job_id)
    assert (job.state, job.reason, job.is_flagged) == (JobState.FAILED, "refused", False)
    assert await balance_of(database, tenant) == view("10")


async def test_what_was_cancelled_before_it_was_sent_is_not_bought(bench: Workbench, tenant: Tenant) -> None:
    job_id = (await bench.ask(tenant, prompt := f"for {tenant.key_id}")).job_id
    [step] = await bench.take()
    await cancel_job(bench.broker, job_id)

    with pytest.raises(LeaseLost):
        await advance(bench.broker, step)

    assert bench.upstream.asked[prompt] == 0


async def test_what_is_bought_for_a_job_that_was_cancelled_meanwhile_is_written_down(
    bench: Workbench, tenant: Tenant, database: Database
) -> None:
    job_id = (await bench.ask(tenant)).job_id
    [step] = await bench.take()

    async def cancel() -> None:
        await cancel_job(bench.broker, job_id)

    bench.upstream.meanwhile = cancel
    with pytest.raises(LeaseLost):
        await advance(bench.broker, step)

    attempt = await bench.attempt(job_id)
    assert (attempt.outcome, attempt.task_id in bench.upstream.tasks) == (AttemptOutcome.ACCEPTED, True)
    assert (await bench.job(job_id)).state is JobState.CANCELLED
    assert await balance_of(database, tenant) == view("10")


async def test_a_refusal_that_says_later_goes_back_into_line_and_may_be_sent_again(
    bench: Workbench, tenant: Tenant
) -> None:
    job_id = (await bench.ask(tenant, prompt := f"for {tenant.key_id}")).job_id
    bench.upstream.mood = Mood.THROTTLE
    await bench.work()
    assert (await bench.job(job_id)).state is JobState.QUEUED
    assert await bench.work() == 0

    bench.upstream.mood = Mood.TAKE
    await bench.wait(10)
    await bench.work()

    assert (await bench.job(job_id)).state is JobState.RUNNING
    assert (bench.upstream.asked[prompt], len(bench.upstream.of(prompt))) == (2, 1)


async def test_an_unclear_job_past_its_deadline_ends_although_the_provider_is_silent(
    bench: Workbench, tenant: Tenant, database: Database
) -> None:
    job_id, task_id = await lose(bench, tenant)
    bench.upstream.is_hidden = True
    await bench.call_back(bench.upstream.tasks[task_id], task_id)
    await bench.wait(3_600)

    await bench.work()

    assert (await bench.job(job_id)).state is JobState.FAILED
    assert await balance_of(database, tenant) == view("10")

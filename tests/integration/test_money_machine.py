"""Whatever happens in whatever order, the ledger and the jobs agree with a small model of what is owed.

Hypothesis makes up histories: creates, replays, cancels, callbacks, steps of workers, crashes, time, top-ups. After
every act the audit is clean, and money, ends and the upstream's books are what the model says.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from decimal import Decimal
from itertools import count
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from app import ledger
from app.config import Settings
from app.db.ids import new_id
from app.embedded import Services
from app.errors import InsufficientCredits, Invalid
from app.jobs.states import ENDS, JobState, LeaseLost
from app.ledger import HoldKind
from app.services.advance_job import advance
from app.services.audit_ledger import audit_ledger
from app.services.cancel_job import cancel_job
from app.services.housekeeping import expire_jobs
from app.services.resolve_job import Finding, resolve_job
from app.services.take_work import Step
from tests.books import balance_of
from tests.conftest import fresh_database, serving_settings
from tests.factories import Tenant, make_tenant
from tests.fakes.upstream import Mood
from tests.workbench import PRICE, Workbench, workbench

T = TypeVar("T")
START = Decimal(20)
COST = Decimal(PRICE)
LEASE_S = 10


@dataclass
class Owed:
    """What the model knows of a job: how it was held, the key it was asked for with, and its end once it has one."""

    prompt: str
    kind: HoldKind
    key: str | None
    end: JobState | None = None


class Model:
    """What must be true, worked out with nothing but sums."""

    def __init__(self) -> None:
        self.granted = START
        self.jobs: dict[UUID, Owed] = {}

    @property
    def balance(self) -> Decimal:
        debited = [job for job in self.jobs.values() if self._is_debited(job)]
        return self.granted - COST * len(debited)

    @property
    def available(self) -> Decimal:
        reserved = [job for job in self.jobs.values() if job.end is None and job.kind is HoldKind.DEFERRED]
        return self.balance - COST * len(reserved)

    def _is_debited(self, job: Owed) -> bool:
        if job.end is None:
            return job.kind is HoldKind.VISIBLE
        return job.end is JobState.SUCCEEDED


class Died(BaseException):
    """A worker process is no more."""


class MoneyMachine(RuleBasedStateMachine):
    """The acts. Each example has a database of its own."""

    make_settings: ClassVar[Callable[[], contextlib.AbstractContextManager[Settings]]]
    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self._stack = contextlib.ExitStack()
        self._runner = self._stack.enter_context(asyncio.Runner())
        self._model = Model()
        self._numbers = count(1)
        self._stale: list[Step] = []
        self._open = workbench(self._stack.enter_context(type(self).make_settings()))
        self.bench: Workbench = self._run(self._open.__aenter__())
        self.tenant: Tenant = self._run(make_tenant(self.bench.broker.db, str(START)))

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    # Clients

    @rule(target=jobs, kind=strategies.sampled_from(HoldKind), has_key=strategies.booleans())
    def create(self, kind: HoldKind, *, has_key: bool) -> Any:
        number = next(self._numbers)
        prompt, key = f"wish {number}", f"key {number}" if has_key else None
        if self._model.available < COST:
            with pytest.raises(InsufficientCredits):
                self._run(self.bench.ask(self.tenant, prompt, key=key, kind=kind))
            return multiple()
        created = self._run(self.bench.ask(self.tenant, prompt, key=key, kind=kind))
        assert not created.is_replay
        self._model.jobs[created.job_id] = Owed(prompt, kind, key)
        return created.job_id

    @rule(job_id=jobs, times=strategies.integers(1, 4))
    def replay(self, job_id: UUID, times: int) -> None:
        owed = self._model.jobs[job_id]
        if owed.key is None:
            return

        async def again() -> list[UUID]:
            asked = [self.bench.ask(self.tenant, owed.prompt, key=owed.key, kind=owed.kind) for _ in range(times)]
            return [created.job_id for created in await asyncio.gather(*asked)]

        assert self._run(again()) == [job_id] * times
        with pytest.raises(Invalid):
            self._run(self.bench.ask(self.tenant, "another wish", key=owed.key, kind=owed.kind))

    @rule(job_id=jobs)
    def cancel(self, job_id: UUID) -> None:
        owed = self._model.jobs[job_id]
        state = self._run(cancel_job(self.bench.broker, job_id))
        assert state is (owed.end or JobState.CANCELLED)

    @rule(credits=strategies.integers(1, 8), times=strategies.integers(1, 3))
    def top_up(self, credits: int, times: int) -> None:
        key = str(new_id())

        async def grant() -> None:
            async with self.bench.broker.db.transaction() as db:
                await ledger.grant(db, self.tenant.account_id, credits=Decimal(credits), key=key, note="")

        for _ in range(times):
            self._run(grant())
        self._model.granted += credits

    # The upstream

    @rule(mood=strategies.sampled_from(Mood), is_hidden=strategies.booleans())
    def change_mood(self, mood: Mood, *, is_hidden: bool) -> None:
        self.bench.upstream.mood = mood
        self.bench.upstream.is_hidden = is_hidden

    @rule(job_id=jobs, is_good=strategies.booleans())
    def end_task(self, job_id: UUID, *, is_good: bool) -> None:
        for task_id in self.bench.upstream.of(self._model.jobs[job_id].prompt):
            if is_good:
                self.bench.upstream.finish(task_id)
            else:
                self.bench.upstream.give_up(task_id)

    @rule(job_id=jobs, other=jobs)
    def call_back(self, job_id: UUID, other: UUID) -> None:
        """Often about the right task, sometimes about somebody else's."""
        tasks = self.bench.upstream.of(self._model.jobs[job_id].prompt)
        claimed = self.bench.upstream.of(self._model.jobs[other].prompt)
        for task_id in tasks:
            self._run(self.bench.call_back(self.bench.upstream.tasks[task_id], next(iter(claimed), task_id)))

    # Workers

    @rule(times=strategies.integers(1, 3))
    def work(self, times: int) -> None:
        for _ in range(times):
            self._run(self.bench.work())

    @rule()
    def die_after_the_claim(self) -> None:
        self._run(self.bench.take())

    @rule()
    def stand_still(self) -> None:
        self._stale += self._run(self.bench.take())

    @precondition(lambda self: self._stale)
    @rule()
    def go_on_after_standing_still(self) -> None:
        while self._stale:
            with contextlib.suppress(LeaseLost):
                self._run(advance(self.bench.broker, self._stale.pop()))

    @rule()
    def die_while_sending(self) -> None:
        async def die() -> None:
            raise Died

        self.bench.upstream.meanwhile = die
        for step in self._run(self.bench.take()):
            with contextlib.suppress(Died):
                self._run(advance(self.bench.broker, step))
        self.bench.upstream.meanwhile = None

    @rule(seconds=strategies.sampled_from([1, LEASE_S, 60, 900, 3_600]))
    def let_time_pass(self, seconds: int) -> None:
        self._run(self.bench.wait(seconds))

    @rule()
    def expire(self) -> None:
        self._run(expire_jobs(self.bench.broker))

    @rule(job_id=jobs, has_succeeded=strategies.booleans())
    def resolve(self, job_id: UUID, *, has_succeeded: bool) -> None:
        """An operator settles what is unclear; a success by the task that there is."""
        if self._run(self.bench.job(job_id)).state is not JobState.UNCLEAR:
            return
        task_id = next(iter(self.bench.upstream.of(self._model.jobs[job_id].prompt)), None)
        if has_succeeded and task_id is None:
            return

        async def settle() -> None:
            async with self.bench.broker.db.transaction() as db:
                await resolve_job(db, job_id, Finding(has_succeeded, "Seen", task_id), actor="test")

        self._run(settle())

    # What must hold after each

    @invariant()
    def the_books_agree(self) -> None:
        self._run(self._compare())

    async def _compare(self) -> None:
        for job_id, owed in self._model.jobs.items():
            await self._look_at(job_id, owed)
        found = await balance_of(self.bench.broker.db, self.tenant)
        assert (found.balance, found.available) == (self._model.balance, self._model.available)
        report = await audit_ledger(self.bench.broker.db)
        assert report.jobs == len(self._model.jobs)
        # Time jumps here: what is overdue ends with the next step or sweep, which teardown waits for.
        assert [it for it in report.violations if it.rule != "nothing_overdue"] == []

    async def _look_at(self, job_id: UUID, owed: Owed) -> None:
        job = await self.bench.job(job_id)
        tasks = self.bench.upstream.of(owed.prompt)
        if owed.end is None and job.state in ENDS:
            owed.end = job.state
        assert job.state is owed.end or owed.end is None, "an end is final"
        assert len(tasks) <= 1, "nothing is submitted twice"
        if job.state is JobState.SUCCEEDED:
            assert job.result["values"] == {"character_id": f"made by {tasks[0]}"}

    def teardown(self) -> None:
        """Once everybody behaves, everything ends."""
        try:
            self._run(self._end())
            self._run(self._compare())
        finally:
            self._run(self._open.__aexit__(None, None, None))
            self._stack.close()

    async def _end(self) -> None:
        upstream = self.bench.upstream
        upstream.mood, upstream.is_hidden = Mood.TAKE, False
        for _ in range(8):
            await self.bench.work()
            for task_id in upstream.tasks:
                upstream.finish(task_id)
            await self.bench.wait(60)
        await self.bench.wait(3_600)
        await self.bench.work()
        await expire_jobs(self.bench.broker)
        report = await audit_ledger(self.bench.broker.db)
        assert report.violations == []


@pytest.mark.timeout(3_000)
def test_money_and_jobs_agree_with_the_model(services: Services, template: str, *, is_long: bool) -> None:
    @contextlib.contextmanager
    def make_settings() -> Any:
        with fresh_database(services, template) as name:
            yield serving_settings(services, name)

    MoneyMachine.make_settings = staticmethod(make_settings)
    examples, steps = (500, 50) if is_long else (60, 30)
    run_state_machine_as_test(MoneyMachine, settings=settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, derandomize=not is_long, print_blob=True,
        suppress_health_check=list(HealthCheck),
    ))

"""A broker whose one service is made by a provider in memory (tests/fakes/upstream.py): its steps run one by one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import text

from app.accounts.keys import KeyRecord
from app.catalog.model import Example, Form, Service, ServiceRequest, UpstreamTask, flat_price, value
from app.catalog.vocabulary import Vocabulary
from app.config import Settings
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.ledger import HoldKind
from app.media.formats import Kinds
from app.providers.port import Task
from app.services.advance_job import advance
from app.services.broker import Broker, open_broker
from app.services.hear_callback import hear_callback
from app.services.job_writer import Created, Idempotency
from app.services.submit_job import submit_job
from app.services.take_work import Step, take_upstream_work
from tests.factories import Tenant
from tests.fakes.upstream import Taken, Upstream

PRICE = "4"


class Wish(ServiceRequest):
    """A request for something without a file."""

    prompt: str


SERVICE = Service(
    id="wish", title="Wish", summary="Something without a file.", group="image", request=Wish, rates={"job": PRICE},
    price=flat_price(),
    run=UpstreamTask("kie", Form(lambda wish, inputs: Task("wish", {"prompt": wish.prompt}), models=("wish",))),
    vocabulary=Vocabulary.LOWER, results=(value("character_id", {"type": "string"}),), result_kinds=Kinds(0),
    examples=(Example({"prompt": "a boat"}, credits=PRICE),), usual_s=60, deadline_s=3_600,
    read_outputs=lambda outputs: dict(outputs.values),
)


@dataclass(frozen=True)
class Workbench:
    """The broker and its upstream."""

    broker: Broker
    upstream: Upstream

    async def ask(
        self, tenant: Tenant, prompt: str = "a boat", *, key: str | None = None, kind: HoldKind = HoldKind.VISIBLE
    ) -> Created:
        """A client's create."""
        caller = KeyRecord(tenant.key_id, tenant.account_id, frozenset(), (), None)
        idempotency = None if key is None else Idempotency.of("/wish", key, prompt.encode())
        service = replace(self.broker.service(SERVICE.id), hold=kind)
        return await submit_job(self.broker, caller, service, Wish(prompt=prompt), idempotency=idempotency)

    async def take(self) -> list[Step]:
        """What a worker would do now."""
        return (await take_upstream_work(self.broker, self.upstream, 50)).steps

    async def work(self) -> int:
        """Do all steps that can be done now, and say how many."""
        steps = await self.take()
        for step in steps:
            await advance(self.broker, step)
        return len(steps)

    async def job(self, job_id: UUID) -> Job:
        """The job as it stands."""
        async with self.broker.db.statement() as db:
            return (await queries.load(db, [job_id]))[0]

    async def attempt(self, job_id: UUID) -> JobAttempt:
        """The job's newest attempt."""
        async with self.broker.db.statement() as db:
            return (await queries.last_attempts(db, [job_id]))[job_id]

    async def execute(self, sql: str, **values: object) -> None:
        """Change rows behind everybody's back."""
        async with self.broker.db.statement() as db:
            await db.execute(text(sql), values)

    async def wait(self, seconds: float) -> None:
        """Let time pass for every live job, as its row tells time: leases run out, waits end, deadlines come near."""
        await self.execute(
            """
            UPDATE jobs SET lease_until = lease_until - make_interval(secs => :s),
                            next_step_at = next_step_at - make_interval(secs => :s),
                            deadline_at = deadline_at - make_interval(secs => :s)
             WHERE ended_at IS NULL""",
            s=seconds,
        )
        await self.execute(
            "UPDATE job_attempts SET answered_at = answered_at - make_interval(secs => :s),"
            " created_at = created_at - make_interval(secs => :s)",
            s=seconds,
        )

    async def call_back(self, task: Taken, task_id: str) -> None:
        """What the upstream does when a task has ended."""
        assert task.callback_url is not None
        secret = task.callback_url.rsplit("/", 1)[-1]
        await hear_callback(self.broker, secret, {"data": {"taskId": task_id}})


@asynccontextmanager
async def workbench(settings: Settings, *, service: Service = SERVICE) -> AsyncIterator[Workbench]:
    """A workbench on the settings' database."""
    settings = settings.model_copy(update={"public_url": "https://broker.example"})
    upstream = Upstream()
    async with open_broker(settings) as broker:
        yield Workbench(replace(broker, providers={"kie": upstream}, catalog={SERVICE.id: service}), upstream)

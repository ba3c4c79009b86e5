"""What a worker may do now: the jobs whose turn it is, within the provider's limits, leased to us."""

import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.model import UpstreamTask
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.jobs.states import JobState
from app.providers.port import ProviderKey, TaskProvider
from app.services.broker import Broker
from app.services.forms import choose_form


@dataclass(frozen=True)
class Step:
    """One job, leased, with its newest attempt.

    `secret` is there only while the attempt is new: its intent is committed and nothing was sent yet.
    """

    job: Job
    attempt: JobAttempt | None = None
    secret: str | None = None


@dataclass(frozen=True)
class Work:
    """Steps to do now. `has_more`: the provider's limits, not the lack of work, kept this short."""

    steps: list[Step]
    has_more: bool = False


def hash_callback_secret(secret: str) -> bytes:
    """What we keep of the secret in a callback address."""
    return hashlib.sha256(secret.encode()).digest()


async def hand_back(broker: Broker, step: Step) -> None:
    """Let go of a step that is stopped, so that another worker goes on with its job at once. It counts as no try.

    Does nothing where the lease is lost. A paid call that was under way has been written down before.
    """
    async with broker.db.transaction() as db:
        await queries.write(db, step.job, tries=step.job.tries)
        await queries.rest(db, step.job, delay_s=0, lease_s=broker.settings.lease_s)
    broker.doorbell.ring(step.job.lane)


async def take_local_work(broker: Broker, lane: str, limit: int) -> Work:
    """Lease up to `limit` jobs of local work: those that a dead worker left, then the next in line."""
    lease_s = broker.settings.lease_s
    async with broker.db.transaction() as db:
        await queries.lock_lane(db, lane)
        jobs = await queries.claim_due(db, lane, limit=limit, lease_s=lease_s)
        if len(jobs) < limit:
            jobs += await queries.start_next(
                db, lane, target=JobState.RUNNING, limit=limit - len(jobs), lease_s=lease_s
            )
    return Work([Step(job) for job in jobs])


async def take_upstream_work(broker: Broker, provider: TaskProvider, limit: int) -> Work:
    """Lease up to `limit` steps of a provider's jobs, no more than its limits allow.

    For each job that is to be sent the attempt is recorded in this transaction: the intent is committed before the
    request leaves, so a job that is found in `submitting` later was perhaps sent, and is not sent again.
    """
    async with broker.db.transaction() as db:
        await queries.lock_lane(db, provider.name)
        wanted = await queries.count_due(db, provider.name, limit=limit)
        allowed = await queries.take_queries(
            db, provider.name, wanted=wanted, per_second=provider.budget.queries_per_s * len(provider.keys)
        )
        due = await queries.claim_due(db, provider.name, limit=allowed, lease_s=broker.settings.lease_s)
        attempts = await queries.last_attempts(db, [job.id for job in due])
        steps = [Step(job, attempts.get(job.id)) for job in due]
        steps += await _take_sends(db, broker, provider, limit=limit - len(due))
    return Work(steps, has_more=wanted > len(due))


async def _take_sends(db: AsyncSession, broker: Broker, provider: TaskProvider, *, limit: int) -> list[Step]:
    budget = provider.budget
    room = await queries.usable_keys(
        db, provider.name, [key.fingerprint for key in provider.keys], creates=budget.creates,
        window_s=budget.create_window_s,
    )
    turns = _key_turns(provider, room)
    limit = min(limit, sum(max(0, left) for left in room.values()))
    if limit <= 0:
        return []
    jobs = await queries.start_next(
        db, provider.name, target=JobState.SUBMITTING, limit=limit, lease_s=broker.settings.lease_s
    )
    steps = []
    for job, key in zip(jobs, turns, strict=False):
        secret = secrets.token_urlsafe(32)
        task = broker.service(job.service).run
        assert isinstance(task, UpstreamTask)
        attempt = await queries.add_attempt(
            db, job, provider=provider.name, provider_key=key.fingerprint, secret_hash=hash_callback_secret(secret),
            dialect=choose_form(broker.settings, task).dialect,
        )
        steps.append(Step(job, attempt, secret))
    return steps


def _key_turns(provider: TaskProvider, room: dict[str, int]) -> Iterator[ProviderKey]:
    """The keys in turn, each as often as it has room."""
    left = dict(room)
    for key in cycle(provider.keys):
        if not any(count > 0 for count in left.values()):
            return
        if left.get(key.fingerprint, 0) > 0:
            left[key.fingerprint] -= 1
            yield key

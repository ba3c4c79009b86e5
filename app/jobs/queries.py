"""Claiming, keeping and reading jobs. Every write of a worker names its fence: a lost lease changes nothing."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, and_, func, insert, or_, select, text, update
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.ids import new_id
from app.jobs.models import WAITS_FOR_STEP, Job, JobAttempt, JobEvent, Lane, RestedKey
from app.jobs.states import ENDS, AttemptOutcome, JobState, LeaseLost

CLAIM_DUE = text("""
WITH due AS (
    SELECT id FROM jobs
     WHERE lane = :lane AND ended_at IS NULL AND NOT (state = 'queued' AND prepared)
       AND next_step_at <= now() AND lease_until <= now()
     ORDER BY next_step_at LIMIT :limit FOR UPDATE SKIP LOCKED
)
UPDATE jobs SET lease_until = now() + make_interval(secs => :lease_s),
                next_step_at = now() + make_interval(secs => :lease_s), fence = fence + 1
  FROM due WHERE jobs.id = due.id
RETURNING jobs.id
""")

# The accounts that wait are found by hopping along the index, so the cost is by account, not by waiting job. Then
# everybody's first job goes before anybody's second, and those who were served longest ago come first.
NEXT_IN_LINE = text("""
WITH RECURSIVE waiting AS (
    (SELECT account_id FROM jobs WHERE lane = :lane AND state = 'queued' AND prepared ORDER BY account_id LIMIT 1)
    UNION ALL
    SELECT (SELECT j.account_id FROM jobs j
             WHERE j.lane = :lane AND j.state = 'queued' AND j.prepared AND j.account_id > w.account_id
             ORDER BY j.account_id LIMIT 1)
      FROM waiting w WHERE w.account_id IS NOT NULL
), turn AS (
    SELECT w.account_id, coalesce(t.served_at, '-infinity') AS served_at
      FROM waiting w LEFT JOIN turns t ON t.lane = :lane AND t.account_id = w.account_id
     WHERE w.account_id IS NOT NULL ORDER BY served_at LIMIT :limit
)
SELECT j.id FROM turn, LATERAL (
    SELECT id, row_number() OVER (ORDER BY created_at) AS place FROM jobs
     WHERE lane = :lane AND state = 'queued' AND prepared AND account_id = turn.account_id AND next_step_at <= now()
     ORDER BY created_at LIMIT :limit) j
 ORDER BY j.place, turn.served_at LIMIT :limit
""")

START = text("""
WITH started AS (
    UPDATE jobs SET state = :target, lease_until = now() + make_interval(secs => :lease_s),
                    next_step_at = now() + make_interval(secs => :lease_s), fence = fence + 1
     WHERE id = ANY(:ids) AND state = 'queued'
    RETURNING id, account_id
), told AS (
    INSERT INTO job_events (job_id, source, target) SELECT id, 'queued', :target FROM started
), served AS (
    INSERT INTO turns (lane, account_id, served_at)
    SELECT :lane, account_id, clock_timestamp() FROM started GROUP BY account_id
    ON CONFLICT (lane, account_id) DO UPDATE SET served_at = EXCLUDED.served_at
)
SELECT id FROM started
""")


async def claim_due(db: AsyncSession, lane: str, *, limit: int, lease_s: float) -> list[Job]:
    """Lease up to `limit` jobs whose next step is due, those that waited longest first."""
    ids = (await db.scalars(CLAIM_DUE, {"lane": lane, "limit": limit, "lease_s": lease_s})).all()
    return await load(db, ids)


async def start_next(
    db: AsyncSession, lane: str, *, target: JobState, limit: int, lease_s: float
) -> list[Job]:
    """Lease up to `limit` jobs that wait in line and move them to `target`; accounts take turns.

    The caller holds the lane (`lock_lane`): two dispatchers in one lane wait for each other.
    """
    ids = (await db.scalars(NEXT_IN_LINE, {"lane": lane, "limit": limit})).all()
    if not ids:
        return []
    started = set(
        await db.scalars(START, {"ids": list(ids), "target": target, "lane": lane, "lease_s": lease_s})
    )
    return await load(db, [job_id for job_id in ids if job_id in started])


async def lock_lane(db: AsyncSession, lane: str) -> None:
    """Hold the lane until the transaction ends."""
    await db.execute(upsert(Lane).values(lane=lane).on_conflict_do_nothing())
    await db.execute(select(Lane.lane).where(Lane.lane == lane).with_for_update())


# Whoever waited for the lane has an older now() than the one before him wrote down: then there is nothing to take.
TAKE_QUERIES = text("""
WITH paced AS (
    SELECT greatest(query_at, now() - CAST(:burst AS int) * CAST(:interval AS interval)) AS from_at FROM lanes
     WHERE lane = :lane
), taken AS (
    SELECT least(:wanted, greatest(0, floor(extract(epoch FROM now() - from_at)
                                            / extract(epoch FROM CAST(:interval AS interval)))::int)) AS count, from_at
      FROM paced
)
UPDATE lanes SET query_at = taken.from_at + taken.count * CAST(:interval AS interval) FROM taken
 WHERE lane = :lane RETURNING taken.count
""")


async def take_queries(db: AsyncSession, lane: str, *, wanted: int, per_second: float) -> int:
    """How many of the wanted queries upstream may be made now (a token bucket of a quarter second, on the lane's row).

    The caller holds the lane.
    """
    interval = timedelta(seconds=1 / per_second)
    values = {"lane": lane, "wanted": wanted, "interval": interval, "burst": max(1, int(per_second / 4))}
    return cast(int, await db.scalar(TAKE_QUERIES, values))


async def count_due(db: AsyncSession, lane: str, *, limit: int) -> int:
    """How many jobs of the lane are due for a step that is not their turn in line; counted up to `limit`."""
    due = (
        select(Job.id)
        .where(WAITS_FOR_STEP, Job.lane == lane, Job.next_step_at <= func.now(), Job.lease_until <= func.now())
        .limit(limit)
        .subquery()
    )
    return await db.scalar(select(func.count()).select_from(due)) or 0


async def usable_keys(
    db: AsyncSession, provider: str, fingerprints: Sequence[str], *, creates: int, window_s: float
) -> dict[str, int]:
    """The provider's keys that are not at rest, and how many tasks may be sent under each now.

    What was sent is counted in our own record of attempts, so the limit holds across processes and restarts.
    """
    window = func.now() - timedelta(seconds=window_s)
    sent = await db.execute(
        select(JobAttempt.provider_key, func.count())
        .where(JobAttempt.provider == provider, JobAttempt.created_at > window)
        .group_by(JobAttempt.provider_key)
    )
    used = {row[0]: row[1] for row in sent}
    resting = await resting_keys(db, provider)
    return {key: creates - used.get(key, 0) for key in fingerprints if key not in resting}


async def resting_keys(db: AsyncSession, provider: str) -> set[str]:
    """The fingerprints of the provider's keys that are left alone now."""
    query = select(RestedKey.fingerprint).where(
        RestedKey.provider == provider, RestedKey.rested_until > func.now()
    )
    return set(await db.scalars(query))


async def rest_key(db: AsyncSession, provider: str, fingerprint: str, *, for_s: float) -> None:
    """Leave a provider's key alone for a while."""
    until = func.now() + timedelta(seconds=for_s)
    row = upsert(RestedKey).values(provider=provider, fingerprint=fingerprint, rested_until=until)
    await db.execute(row.on_conflict_do_update(index_elements=["provider", "fingerprint"],
                                               set_={"rested_until": row.excluded.rested_until}))


async def load(db: AsyncSession, ids: Sequence[UUID]) -> list[Job]:
    """The jobs of these ids, in their order, as they stand in the database."""
    if not ids:
        return []
    rows = await db.scalars(select(Job).where(Job.id.in_(ids)).execution_options(populate_existing=True))
    found = {job.id: job for job in rows}
    return [found[job_id] for job_id in ids if job_id in found]


def leased_at(job: Job, *, lease_s: float) -> datetime:
    """When the job, as it was loaded by the claim, was leased to us: by Postgres' clock, which all processes share."""
    return job.lease_until - timedelta(seconds=lease_s)


async def lock(db: AsyncSession, job_id: UUID) -> Job | None:
    """The job as it stands, not to be moved by others until the transaction ends."""
    query = select(Job).where(Job.id == job_id).with_for_update(key_share=True)
    return await db.scalar(query.execution_options(populate_existing=True))


async def write(db: AsyncSession, job: Job, **columns: object) -> bool:
    """Set columns (never `state`) of a job that is leased to us. False if the lease is lost: change nothing more."""
    assert "state" not in columns
    done = cast(
        CursorResult[tuple[()]],
        await db.execute(
            update(Job).where(Job.id == job.id, Job.fence == job.fence, Job.ended_at.is_(None)).values(**columns)
        ),
    )
    return done.rowcount == 1


REST = text("""
UPDATE jobs
   SET lease_until = '-infinity', fence = fence + 1,
       next_step_at = least(deadline_at,
           CASE WHEN woken_at > CAST(:since AS timestamptz) THEN now() ELSE now() + make_interval(secs => :delay_s) END)
 WHERE id = :id AND fence = :fence AND ended_at IS NULL
""")


async def rest(db: AsyncSession, job: Job, *, delay_s: float, lease_s: float) -> bool:
    """End our lease; the next step is due in `delay_s` seconds, at once if a callback came while we worked."""
    since = leased_at(job, lease_s=lease_s)
    done = cast(
        CursorResult[tuple[()]],
        await db.execute(REST, {"id": job.id, "fence": job.fence, "delay_s": delay_s, "since": since}),
    )
    return done.rowcount == 1


KEEP = text("""
UPDATE jobs SET lease_until = now() + make_interval(secs => :lease_s),
                next_step_at = now() + make_interval(secs => :lease_s),
                progress = coalesce(:progress, progress)
 WHERE id = :id AND fence = :fence AND ended_at IS NULL
""")


async def keep(db: AsyncSession, job_id: UUID, fence: int, *, lease_s: float, progress: int | None = None) -> bool:
    """Lengthen our lease. False if it is lost: somebody else has the job, or it ended."""
    values = {"id": job_id, "fence": fence, "lease_s": lease_s, "progress": progress}
    return cast(CursorResult[tuple[()]], await db.execute(KEEP, values)).rowcount == 1


WAKE = text("""
UPDATE jobs SET woken_at = now(), next_step_at = CASE WHEN lease_until <= now() THEN '-infinity' ELSE next_step_at END
 WHERE id = :id AND ended_at IS NULL RETURNING lane
""")


async def wake(db: AsyncSession, job_id: UUID) -> str | None:
    """Make the job's next step due at once, before all others. Answers its lane, None if it has ended."""
    return cast(str | None, await db.scalar(WAKE, {"id": job_id}))


async def add_attempt(
    db: AsyncSession, job: Job, *, provider: str, provider_key: str, secret_hash: bytes | None, step: str | None = None,
    dialect: str | None = None,
) -> JobAttempt:
    """Record the intent of a paid call, before it is made. Raises LeaseLost: then it must not be made."""
    leased = select(Job.id).where(Job.id == job.id, Job.fence == job.fence, Job.ended_at.is_(None))
    if await db.scalar(leased.with_for_update(key_share=True)) is None:
        raise LeaseLost(str(job.id))
    number = select(func.coalesce(func.max(JobAttempt.number), 0) + 1).where(JobAttempt.job_id == job.id)
    row = await db.scalars(
        insert(JobAttempt)
        .values(id=new_id(), job_id=job.id, number=number.scalar_subquery(), provider=provider,
                provider_key=provider_key, secret_hash=secret_hash, step=step, dialect=dialect)
        .returning(JobAttempt)
    )
    return row.one()


async def answer_attempt(
    db: AsyncSession, attempt_id: UUID, outcome: AttemptOutcome, *, task_id: str | None = None,
    cost: Decimal | None = None, detail: str | None = None, output: Mapping[str, object] | None = None,
) -> None:
    """Record what became of a paid call. What is known already (task id, cost) is not forgotten."""
    values: dict[str, object] = {"outcome": outcome, "answered_at": func.now()}
    news = {"task_id": task_id, "cost": cost, "detail": detail, "output": output}
    values |= {name: item for name, item in news.items() if item is not None}
    await db.execute(update(JobAttempt).where(JobAttempt.id == attempt_id).values(**values))


async def attempts_of_step(db: AsyncSession, job_id: UUID, step: str) -> Sequence[JobAttempt]:
    """What was tried for one step of a job, oldest first."""
    query = select(JobAttempt).where(JobAttempt.job_id == job_id, JobAttempt.step == step)
    return (await db.scalars(query.order_by(JobAttempt.number))).all()


async def last_attempts(db: AsyncSession, job_ids: Sequence[UUID]) -> Mapping[UUID, JobAttempt]:
    """The newest attempt of each job."""
    rows = await db.scalars(
        select(JobAttempt)
        .where(JobAttempt.job_id.in_(job_ids))
        .ext(distinct_on(JobAttempt.job_id))
        .order_by(JobAttempt.job_id, JobAttempt.number.desc())
    )
    return {attempt.job_id: attempt for attempt in rows}


async def hint_task(db: AsyncSession, attempt: JobAttempt, task_id: str) -> None:
    """Note the task id that a callback claims, for the step that will ask upstream whether it is true."""
    await db.execute(update(JobAttempt).where(JobAttempt.id == attempt.id).values(hinted_task_id=task_id))


async def attempt_of_secret(db: AsyncSession, secret_hash: bytes) -> JobAttempt | None:
    """The attempt whose callback address holds the secret of this hash."""
    return await db.scalar(select(JobAttempt).where(JobAttempt.secret_hash == secret_hash))


FIND_MADE = text("""
SELECT result -> 'values' ->> :value FROM jobs
 WHERE account_id = :account_id AND service = :service AND state = 'succeeded'
   AND result -> 'values' ->> :value = ANY(:among)
""")


async def find_made(
    db: AsyncSession, account_id: UUID, *, service: str, value: str, among: Collection[str]
) -> set[str]:
    """Which of these values an account's jobs of a service have as their result."""
    asked = {"account_id": account_id, "service": service, "value": value, "among": list(among)}
    return set(await db.scalars(FIND_MADE, asked))


async def list_overdue(db: AsyncSession, *, lanes: Collection[str], after_s: float, limit: int) -> Sequence[Job]:
    """Jobs past their deadline that no step will end: those in line, those of lanes that nobody looks after, and those
    whose step after the deadline broke, `after_s` seconds after it."""
    is_left_alone = or_(
        Job.state == JobState.QUEUED,
        and_(Job.deadline_at <= func.now() - timedelta(seconds=after_s),
             or_(Job.lease_until > Job.deadline_at, Job.lane.not_in(lanes))),
    )
    query = (
        select(Job)
        .where(Job.ended_at.is_(None), Job.deadline_at <= func.now(), Job.lease_until <= func.now(), is_left_alone)
        .order_by(Job.deadline_at)
        .limit(limit)
    )
    return (await db.scalars(query)).all()


async def list_events(db: AsyncSession, job_id: UUID) -> Sequence[JobEvent]:
    """The job's moves, oldest first."""
    return (await db.scalars(select(JobEvent).where(JobEvent.job_id == job_id).order_by(JobEvent.id))).all()


async def count_by_state(db: AsyncSession, *, lane: str) -> Mapping[JobState, int]:
    """How many live jobs of a lane stand in each state."""
    query = (
        select(Job.state, func.count())
        .where(Job.lane == lane, Job.ended_at.is_(None))
        .group_by(Job.state)
    )
    return {row[0]: row[1] for row in await db.execute(query)}


def has_ended(job: Job) -> bool:
    """Whether the job can change no more."""
    return job.state in ENDS

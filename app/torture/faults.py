"""Mistakes that are planted on purpose, one at a time, to see that the checks find them.

| fault                | what it takes away or does wrong                             | found by                 |
|----------------------|--------------------------------------------------------------|--------------------------|
| no-unique-index      | entries may be written twice for one hold                    | audit_is_clean           |
| refund-twice         | a failed job's credits are given back twice                  | holds_ended_right        |
| settle-from-callback | the body of a callback is believed                           | results_are_the_jobs_own |
| answer-before-commit | a create is answered, and its wake-up sent, before COMMIT    | accepted_exactly_once    |
| no-fence             | a worker whose lease is lost may still write                 | leases_were_kept_to      |
| resubmit-on-timeout  | a request whose answer was lost is sent again                | nothing_sent_twice       |
| unguarded-debit      | a hold is made whatever is available                         | audit_is_clean           |
| capture-before-file  | credits are kept before the file was fetched and looked at   | holds_ended_right        |

Each changes the schema of the run's own database, or patches the functions of the run's own processes (child.py).
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import insert, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app import ledger
from app.api import callbacks
from app.db.ids import new_id
from app.jobs import queries, states
from app.jobs.models import Job, JobAttempt
from app.jobs.states import JobState, move
from app.ledger import book
from app.ledger.models import EntryKind, Hold, HoldKind, HoldState, LedgerEntry
from app.services import advance_job, job_writer, send_task
from app.services.broker import Broker
from app.services.hear_callback import hear_callback
from app.services.job_writer import Created, JobWriter, NewJob
from app.services.take_work import hash_callback_secret

NO_UNIQUE_INDEX = "ALTER TABLE ledger_entries DROP CONSTRAINT ledger_entries_hold_kind_key"
NO_CHECKS = (
    "ALTER TABLE balances DROP CONSTRAINT balances_available_not_negative_check",
    "ALTER TABLE balances DROP CONSTRAINT balances_available_within_balance_check",
)
GUARD = " AND available >= p_amount"
FENCE, NO_FENCE = "fence = :fence", "CAST(:fence AS bigint) IS NOT NULL"
COMMIT_AFTER_S = 1.5


@dataclass(frozen=True)
class Fault:
    """What is changed. `caught_by` is the check that must find it, `saying` a word of what it says."""

    caught_by: str
    saying: str
    statements: Sequence[str] = ()
    unguard: bool = False
    patch: Callable[[], None] = lambda: None

    async def change_schema(self, db: AsyncSession) -> None:
        """Change the run's own database, as the owner of the schema."""
        for statement in self.statements:
            await db.execute(text(statement))
        if self.unguard:
            function = str(await db.scalar(text("SELECT pg_get_functiondef(CAST('ledger_hold' AS regproc))")))
            assert GUARD in function
            await (await db.connection()).exec_driver_sql(function.replace(GUARD, ""))

    def change_code(self) -> None:
        """Change the functions of this process."""
        self.patch()


def _put(place: object, name: str, new: object) -> None:
    assert hasattr(place, name)
    setattr(place, name, new)


def _refund_twice() -> None:
    resolve = book._resolve

    async def twice(db: AsyncSession, hold: Hold, state: HoldState, *, captured: Decimal) -> None:
        await resolve(db, hold, state, captured=captured)
        if state is HoldState.RELEASED and hold.kind is HoldKind.VISIBLE:
            moved = await book._move_balance(db, hold.account_id, balance=hold.amount, available=hold.amount)
            await db.execute(insert(LedgerEntry).values(
                account_id=hold.account_id, version=moved.version, kind=EntryKind.REFUND, amount=hold.amount,
                balance_after=moved.balance, hold_id=hold.id, job_id=hold.job_id, description="Refund",
            ))

    _put(book, "_resolve", twice)


def _settle_from_callback() -> None:
    async def believe(broker: Broker, secret: str, body: Any) -> None:
        await hear_callback(broker, secret, body)
        data = body.get("data") if isinstance(body, dict) else None
        if not isinstance(data, dict) or data.get("state") != "success":
            return
        outputs = {"urls": orjson.loads(data["resultJson"])["resultUrls"], "values": {}}
        async with broker.db.transaction() as db:
            attempt = await queries.attempt_of_secret(db, hash_callback_secret(secret))
            assert attempt is not None
            for source in (JobState.SUBMITTING, JobState.RUNNING):
                if await move(db, attempt.job_id, source=source, target=JobState.STORING):
                    await db.execute(update(Job).where(Job.id == attempt.job_id).values(outputs=outputs))

    _put(callbacks, "hear_callback", believe)


def _answer_before_commit() -> None:
    write_row, create = job_writer._row, JobWriter.create
    chosen: dict[int, UUID] = {}
    writing: set[asyncio.Task[Created]] = set()

    def row(position: int, job: NewJob) -> dict[str, object]:
        return write_row(position, job) | {"job_id": chosen.pop(id(job))}

    async def later(writer: JobWriter, job: NewJob) -> Created:
        await asyncio.sleep(COMMIT_AFTER_S)
        return await create(writer, job)

    async def answer(writer: JobWriter, job: NewJob) -> Created:
        chosen[id(job)] = job_id = new_id()
        task = asyncio.create_task(later(writer, job))
        writing.add(task)
        task.add_done_callback(writing.discard)
        return Created(job_id, datetime.now(UTC), is_replay=False, credits=job.credits)

    _put(job_writer, "_row", row)
    _put(JobWriter, "create", answer)


def _no_fence() -> None:
    async def write(db: AsyncSession, job: Job, **columns: object) -> bool:
        await db.execute(update(Job).where(Job.id == job.id, Job.ended_at.is_(None)).values(**columns))
        return True

    _put(queries, "write", write)
    for place, name in ((queries, "REST"), (queries, "KEEP"), (states, "MOVE")):
        statement = str(getattr(place, name))
        assert FENCE in statement
        _put(place, name, text(statement.replace(FENCE, NO_FENCE)))


def _resubmit_on_timeout() -> None:
    async def send_again(broker: Broker, job: Job, attempt: JobAttempt, detail: str) -> None:
        await send_task._back_into_line(broker, job, delay_s=0)

    _put(send_task, "_lose_track", send_again)


def _capture_before_file() -> None:
    store: Callable[[Broker, Job], Awaitable[None]] = advance_job._store

    async def capture_first(broker: Broker, job: Job) -> None:
        async with broker.db.transaction() as db:
            used = await ledger.capture(db, job.id)
        await store(broker, job)
        succeeded = (Job.id == job.id, Job.state == JobState.SUCCEEDED)
        async with broker.db.statement() as db:
            await db.execute(update(Job).where(*succeeded).values(credits_used=used))

    _put(advance_job, "_store", capture_first)


FAULTS: Mapping[str, Fault] = {
    "no-unique-index": Fault("audit_is_clean", "guards_are_in_place", (NO_UNIQUE_INDEX,)),
    "refund-twice": Fault("holds_ended_right", "not given back", (NO_UNIQUE_INDEX,), patch=_refund_twice),
    "settle-from-callback": Fault("results_are_the_jobs_own", "forged", patch=_settle_from_callback),
    "answer-before-commit": Fault("accepted_exactly_once", "is lost", patch=_answer_before_commit),
    "no-fence": Fault("leases_were_kept_to", "another's lease", patch=_no_fence),
    "resubmit-on-timeout": Fault("nothing_sent_twice", "submitted", patch=_resubmit_on_timeout),
    "unguarded-debit": Fault("audit_is_clean", "nothing_negative", NO_CHECKS, unguard=True),
    "capture-before-file": Fault("holds_ended_right", "is captured", patch=_capture_before_file),
}

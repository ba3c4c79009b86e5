"""Everybody's books, read when everything is quiet: Postgres', the sandbox', the store's, and the clients' own."""

import asyncio
import io
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
from PIL import Image
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import Database
from app.errors import UnsupportedMedia
from app.jobs.states import JobState
from app.ledger import Violation, audit
from app.media.formats import Kinds
from app.media.probe import probe
from app.services.take_work import hash_callback_secret
from app.torture import journal
from app.torture.asking import Log
from app.torture.chaos import Done
from app.torture.journal import Write
from app.torture.plan import Plan
from app.torture.stack import Stack

FETCH_AT_ONCE = 8


@dataclass(frozen=True)
class Hold:
    """A hold and what was booked under it."""

    kind: str
    amount: Decimal
    captured: Decimal
    state: str
    entries: Sequence[tuple[str, Decimal]]

    def booked(self, kind: str) -> list[Decimal]:
        """The amounts of its entries of one kind."""
        return [amount for entry_kind, amount in self.entries if entry_kind == kind]


@dataclass(frozen=True)
class Attempt:
    """One paid call as we recorded it."""

    outcome: str
    secret_hash: bytes | None
    task_id: str | None
    cost: Decimal | None
    step: str | None


@dataclass(frozen=True)
class Job:
    """A job with all that hangs on it."""

    id: str
    service: str
    lane: str
    state: str
    reason: str | None
    credits: Decimal
    credits_used: Decimal
    request: Mapping[str, Any]
    output_urls: Sequence[str]
    files: Sequence[str]
    moves: Sequence[tuple[str, str]]
    holds: Sequence[Hold]
    attempts: Sequence[Attempt]


@dataclass(frozen=True)
class Task:
    """A create that the upstream accepted, and the secret in the callback address that came with it."""

    id: str
    secret_hash: bytes
    cost: Decimal


@dataclass(frozen=True)
class Charge:
    """A paid answer that is no task, and how its text began."""

    id: str
    provider: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """All of it. `broken_files` says what is wrong with a job's result, by the job's id; `keys` are the jobs behind the
    idempotency keys that are still kept."""

    plan: Plan
    log: Log
    done: Sequence[Done]
    jobs: Mapping[str, Job]
    keys: Mapping[str, str]
    tasks: Sequence[Task]
    charges: Sequence[Charge]
    writes: Sequence[Write]
    violations: Sequence[Violation]
    broken_files: Mapping[str, str]
    opened_files: int


async def gather(stack: Stack, plan: Plan, log: Log, done: Sequence[Done]) -> Evidence:
    """Read all books. Nothing moves any more."""
    database = Database(stack.owner)
    async with database.transaction() as db:
        await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        jobs = await _read_jobs(db)
        violations = (await audit(db)).violations
        writes = await journal.read(db)
        kept = await db.execute(text("SELECT key, job_id FROM idempotency_keys WHERE job_id IS NOT NULL"))
        keys = {row.key: str(row.job_id) for row in kept}
    await database.close()
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        tasks, charges = await _read_sandbox(http, stack.sandbox_url)
        opened = await _open_files(http, stack.api_url, jobs.values())
    broken = {job_id: problem for job_id, problem in opened if problem}
    return Evidence(plan, log, done, jobs, keys, tasks, charges, writes, violations, broken, len(opened))


async def _read_jobs(db: AsyncSession) -> dict[str, Job]:
    moves, holds, attempts = defaultdict(list), defaultdict(list), defaultdict(list)
    entries = defaultdict(list)
    for row in await db.execute(text("SELECT job_id, source, target FROM job_events ORDER BY id")):
        moves[row.job_id].append((row.source, row.target))
    for row in await db.execute(text("SELECT hold_id, kind, amount FROM ledger_entries WHERE hold_id IS NOT NULL")):
        entries[row.hold_id].append((row.kind, row.amount))
    for row in await db.execute(text("SELECT id, job_id, kind, amount, captured, state FROM holds")):
        holds[row.job_id].append(Hold(row.kind, row.amount, row.captured, row.state, entries[row.id]))
    for row in await db.execute(text("SELECT * FROM job_attempts ORDER BY number")):
        attempts[row.job_id].append(Attempt(row.outcome, row.secret_hash, row.task_id, row.cost, row.step))
    return {
        str(row.id): Job(
            id=str(row.id), service=row.service, lane=row.lane, state=row.state, reason=row.reason, credits=row.credits,
            credits_used=row.credits_used, request=row.request, output_urls=row.outputs.get("urls", ()),
            files=[file["path"] for file in row.result.get("files", ())], moves=moves[row.id], holds=holds[row.id],
            attempts=attempts[row.id],
        )
        for row in await db.execute(text("SELECT * FROM jobs"))
    }


async def _read_sandbox(http: httpx.AsyncClient, sandbox_url: str) -> tuple[list[Task], list[Charge]]:
    books = (await http.get(f"{sandbox_url}/control/books")).json(parse_float=Decimal)
    charges = [Charge(charge["id"], charge["provider"], charge["text"]) for charge in books["charges"]]
    return [
        Task(task["id"], hash_callback_secret((task["callback_url"] or "").rsplit("/", 1)[-1]), Decimal(task["cost"]))
        for task in books["tasks"]
    ], charges


async def _open_files(http: httpx.AsyncClient, api_url: str, jobs: Iterable[Job]) -> list[tuple[str, str | None]]:
    """Every result of every job that succeeded, and what is wrong with it, if anything."""
    places = asyncio.Semaphore(FETCH_AT_ONCE)

    async def look(job: Job, path: str) -> tuple[str, str | None]:
        async with places:
            return job.id, await _problem(http, api_url + path)

    return await asyncio.gather(
        *(look(job, path) for job in jobs if job.state == JobState.SUCCEEDED for path in job.files)
    )


async def _problem(http: httpx.AsyncClient, url: str) -> str | None:
    response = await http.get(url)
    if response.status_code != httpx.codes.OK:
        return f"{url} answers {response.status_code}"
    if response.headers["content-type"].startswith("image/"):
        return await asyncio.to_thread(_picture_problem, response.content)
    with tempfile.TemporaryDirectory(prefix="phaya-torture-") as folder:
        file = Path(folder) / "result"
        await asyncio.to_thread(file.write_bytes, response.content)
        try:
            await probe(file, kinds=Kinds.ANY)
        except UnsupportedMedia as refusal:
            return f"{url}: {refusal}"
    return None


def _picture_problem(content: bytes) -> str | None:
    try:
        Image.open(io.BytesIO(content)).load()
    except (OSError, SyntaxError, ValueError) as error:
        return f"a picture that does not open: {error!r}"
    return None

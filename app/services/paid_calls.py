"""Paid calls inside local work: each step's intent is committed before the call and its answer after it.

A restart finds the answers of the steps that were done, and pays for none of them again. A step that was perhaps sent
by a worker that died is never sent again: the job fails, is refunded, and is flagged for the operator.
"""

import asyncio
import random
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.model import Answered, LocalWork
from app.errors import Broken, ProviderError, Rejected, StorageFailed, Throttled, Unavailable, Unclear
from app.jobs import queries
from app.jobs.models import Job, JobAttempt
from app.jobs.states import AttemptOutcome
from app.providers.port import CallAnswer, CallProvider, ProviderKey
from app.services.broker import Broker
from app.services.uncut import uncut, written
from app.storage import new_key

log = structlog.get_logger()

# A definite answer that is no use (silence, a provider's own failure) is asked for again this often, each time paid.
RETRIES = 2
STORAGE_KEY = "storage_key"


class JobCalls:
    """The calls of one job, with its work folder for their files."""

    def __init__(self, broker: Broker, job: Job, folder: Path) -> None:
        self._broker = broker
        self._job = job
        self._folder = folder

    async def once(
        self, step: str, provider: str, ask: Mapping[str, object], *, files: Mapping[str, Path] = {}
    ) -> Answered:
        """See app.catalog.model.PaidCalls."""
        target = self._folder / f"step-{step}"
        async with self._broker.db.statement() as db:
            earlier = await queries.attempts_of_step(db, self._job.id, step)
        for attempt in earlier:
            if attempt.outcome is AttemptOutcome.DONE:
                return await self._kept(attempt, target)
            if attempt.outcome in (AttemptOutcome.INTENDED, AttemptOutcome.LOST):
                raise Unclear("The provider's answer was lost", detail=f"step {step}, attempt {attempt.number}")
        failures = sum(attempt.outcome is AttemptOutcome.FAILED for attempt in earlier)
        service = self._broker.callers.get(provider)
        if service is None:
            raise Unavailable(f"{provider} is not available on this server")
        while True:
            try:
                return await uncut(self._attempt(service, step, ask, files=files, target=target))
            except Throttled as trouble:
                await asyncio.sleep(trouble.retry_after_s * random.uniform(0.8, 1.2))  # noqa: S311 - spread, no secret
            except Broken:
                failures += 1
                if failures > RETRIES:
                    raise

    async def _attempt(
        self, provider: CallProvider, step: str, ask: Mapping[str, object], *, files: Mapping[str, Path], target: Path
    ) -> Answered:
        key = await self._pick(provider)
        async with self._broker.db.transaction() as db:
            attempt = await queries.add_attempt(
                db, self._job, provider=provider.name, provider_key=key.fingerprint, secret_hash=None, step=step
            )
        try:
            answer = await provider.call(key, ask, files=files, target=target)
        except ProviderError as trouble:
            await self._note(attempt, trouble)
            raise
        return await self._keep(attempt, answer, target)

    async def _pick(self, provider: CallProvider) -> ProviderKey:
        async with self._broker.db.statement() as db:
            resting = await queries.resting_keys(db, provider.name)
        awake = [key for key in provider.keys if key.fingerprint not in resting]
        return random.choice(awake or provider.keys)  # noqa: S311 - any key will do

    async def _note(self, attempt: JobAttempt, trouble: ProviderError) -> None:
        log.warning("call.failed", step=attempt.step, verdict=type(trouble).__name__, detail=trouble.detail)
        outcome = AttemptOutcome.FAILED
        if isinstance(trouble, Unclear):
            outcome = AttemptOutcome.LOST
        elif isinstance(trouble, Rejected | Throttled):
            outcome = AttemptOutcome.REFUSED
        cost = self._cost(trouble.counted) if trouble.cost is None else trouble.cost

        async def write(db: AsyncSession) -> None:
            await queries.answer_attempt(db, attempt.id, outcome, cost=cost, detail=trouble.detail)
            if isinstance(trouble, Throttled) and trouble.is_about_key:
                await queries.rest_key(db, attempt.provider, attempt.provider_key, for_s=trouble.retry_after_s)

        await written(self._broker, write)

    async def _keep(self, attempt: JobAttempt, answer: CallAnswer, target: Path) -> Answered:
        cost = self._cost(answer.output) if answer.cost is None else answer.cost
        output = dict(answer.output)
        if answer.has_file:
            output[STORAGE_KEY] = new_key()
            try:
                await self._broker.storage.put(
                    str(output[STORAGE_KEY]), target, content_type="application/octet-stream"
                )
            except StorageFailed as trouble:
                # Paid, and known nowhere else: it cannot wait for the store, and must not be bought again.
                detail = f"made, but not kept: {trouble}"
                lost = Unclear("The provider's answer could not be kept", detail=detail, cost=cost)
                await self._note(attempt, lost)
                raise lost from trouble
        await written(self._broker, lambda db: queries.answer_attempt(
            db, attempt.id, AttemptOutcome.DONE, cost=cost, output=output
        ))
        return Answered(output, target if answer.has_file else None)

    def _cost(self, counted: Mapping[str, object] | None) -> Decimal | None:
        """By the provider's list, where the provider itself names no cost."""
        service = self._broker.service(self._job.service)
        work = service.run
        if counted is None or not isinstance(work, LocalWork) or work.call_cost is None:
            return None
        return work.call_cost(counted, self._broker.costs.of(service))

    async def _kept(self, attempt: JobAttempt, target: Path) -> Answered:
        output = attempt.output or {}
        if STORAGE_KEY not in output:
            return Answered(output)
        await self._broker.storage.fetch_to(output[STORAGE_KEY], target)
        return Answered(output, target)

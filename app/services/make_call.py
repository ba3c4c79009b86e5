"""Making an accepted call: one request upstream, whose answer is told to the client and charged by what it used.

Everything happens in the request's own task. A client that hangs up stops nothing: what is sent to it then goes
nowhere, and the answer is still read to its end. If this process dies the job's lease runs out, and a worker settles
the call by upstream's record of it (app.services.lost_calls).
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, suppress
from decimal import Decimal
from typing import Any, Protocol

import structlog

from app.errors import (
    AppError,
    Broken,
    DatabaseAway,
    Invalid,
    ProviderError,
    Rejected,
    Throttled,
    Unavailable,
    Unclear,
    UpstreamFailed,
)
from app.jobs import queries
from app.jobs.states import AttemptOutcome, JobState, LeaseLost
from app.metrics import OVERRUN
from app.providers.openrouter import IDLE_S, OpenAnswer, OpenRouter
from app.providers.openrouter_usage import Said, Usage
from app.providers.sse import Event
from app.services.broker import Broker
from app.services.call_ender import EndedCall
from app.services.end_job import advance_state, fail
from app.services.leases import keeping
from app.services.order_call import Call
from app.services.replay_call import KEPT_S, Answer, forget_answer, kept_answer

log = structlog.get_logger()

# Upstream writes its record of a call with a delay. A client that waits for its bill is not kept longer than this.
LOOK_UP_AFTER_S = (0.5, 1.0, 2.0, 4.0)
# A worker's first look at the record of a call that was lost.
RECORD_AFTER_S = 2.0


class Line(Protocol):
    """The way to the client."""

    async def begin(self) -> None:
        """Upstream has taken the request: what fails from here on fails in mid-stream."""

    async def send(self, data: bytes) -> None:
        """Send it, or drop it if the client has gone."""


class Teller(Protocol):
    """Retells a stream in a client's form, event by event."""

    @property
    def usage(self) -> Usage | None:
        """What upstream said that was used, once it has said it."""

    @property
    def is_whole(self) -> bool:
        """Whether all was told: a stream that broke off has no end."""

    @property
    def is_over(self) -> bool:
        """Whether nothing comes any more."""

    def tell(self, event: Event) -> bytes:
        """What the client gets of an event. Raises ProviderError for one that says that upstream failed."""

    def document(self) -> dict[str, Any]:
        """All that was told; empty where it was not asked to collect it."""


async def call_whole(broker: Broker, call: Call, read: Callable[[bytes], Said], *, limit: int) -> Answer:
    """Make the call and charge it. Raises UpstreamFailed or Invalid, and charges nothing, when there is no answer."""

    async def talk() -> Said:
        async with _opened(broker, call, idle_s=broker.settings.chat_timeout_s) as answer:
            return read(await answer.whole(limit=limit))

    return await _conduct(broker, call, talk)


async def call_stream(broker: Broker, call: Call, teller: Teller, line: Line) -> Answer | None:
    """Make the call, tell its answer as it comes, and charge it; None if all was told, but is not charged yet.

    Raises UpstreamFailed or Invalid when upstream fails, before the first event or in mid-stream.
    """

    async def talk() -> Said:
        try:
            await _tell(broker, call, teller, line)
        except Unclear:
            # The connection may break behind the last word.
            if not teller.is_whole:
                raise
        usage = teller.usage or await _look_up(broker, call)
        if usage is None:
            raise Unclear("The provider did not say what the answer used")
        return Said(teller.document(), usage)

    try:
        return await _conduct(broker, call, talk)
    except UpstreamFailed:
        if not teller.is_whole:
            raise
        return None


async def _tell(broker: Broker, call: Call, teller: Teller, line: Line) -> None:
    async with _opened(broker, call, idle_s=IDLE_S) as answer:
        noting = asyncio.create_task(_note(broker, call))
        try:
            await line.begin()
            async with aclosing(answer.events()) as pieces:
                async for events in pieces:
                    # Behind the last word, too: only a connection that was read to its end is used again.
                    told = b"".join(teller.tell(event) for event in events if not teller.is_over)
                    if told:
                        await line.send(told)
        finally:
            await noting
    if not teller.is_whole:
        raise Unclear("The provider's answer broke off")


async def _conduct(broker: Broker, call: Call, talk: Callable[[], Awaitable[Said]]) -> Answer:
    """Talk under the job's lease, then end the job by what came of it."""
    try:
        async with keeping(broker, call.job):
            try:
                async with asyncio.timeout(broker.settings.chat_timeout_s):
                    said = await talk()
            except TimeoutError:
                raise await _lose(broker, call, Unclear("The provider did not answer in time")) from None
            except Unclear as trouble:
                raise await _lose(broker, call, trouble) from trouble
            except ProviderError as trouble:
                raise await _fail(broker, call, trouble) from trouble
            return Answer(said.document, said.usage, await _capture(broker, call, said))
    except LeaseLost:
        raise UpstreamFailed("The call was ended") from None


@asynccontextmanager
async def _opened(broker: Broker, call: Call, *, idle_s: float) -> AsyncIterator[OpenAnswer]:
    """The answer to the call. A key that is refused is put to rest, and the next one tried."""
    assert broker.openrouter is not None
    async with AsyncExitStack() as stack:
        while True:
            opening = broker.openrouter.open(call.key, call.order.route, call.body, idle_s=idle_s)
            try:
                answer = await stack.enter_async_context(opening)
                break
            except Throttled as trouble:
                if not trouble.is_about_key:
                    raise
                await _next_key(broker, call, trouble)
        call.generation_id = answer.generation_id
        yield answer


async def _next_key(broker: Broker, call: Call, trouble: Throttled) -> None:
    """Rest the key and take the next one, under an attempt of its own. Raises the trouble when there is none."""
    log.warning("provider_key.rested", provider=OpenRouter.name, key=call.key.fingerprint, detail=trouble.detail)
    call.tried.add(call.key.fingerprint)
    async with broker.db.transaction() as db:
        await queries.answer_attempt(db, call.attempt_id, AttemptOutcome.REFUSED, detail=trouble.detail)
        await queries.rest_key(db, OpenRouter.name, call.key.fingerprint, for_s=trouble.retry_after_s)
    broker.turns.forget()
    try:
        call.key = await broker.turns.pick(tried=call.tried)
    except Unavailable:
        raise trouble from None
    async with broker.db.transaction() as db:
        attempt = await queries.add_attempt(
            db, call.job, provider=OpenRouter.name, provider_key=call.key.fingerprint, secret_hash=None
        )
    call.attempt_id = attempt.id


async def _note(broker: Broker, call: Call) -> None:
    """Write down where upstream keeps its record, for the worker that settles the call if this process dies."""
    if call.generation_id is None:
        return
    try:
        async with broker.db.statement() as db:
            await queries.answer_attempt(db, call.attempt_id, AttemptOutcome.ACCEPTED, task_id=call.generation_id)
    except DatabaseAway as error:
        log.warning("generation.not_noted", job_id=str(call.job.id), error=repr(error.__cause__))


async def _look_up(broker: Broker, call: Call) -> Usage | None:
    """What upstream's record says was used, if it is there soon."""
    assert broker.openrouter is not None
    for pause_s in LOOK_UP_AFTER_S if call.generation_id else ():
        await asyncio.sleep(pause_s)
        with suppress(Throttled):
            record = await broker.openrouter.generation(call.key, call.generation_id or "")
            if record is not None:
                return record.usage
    return None


async def _capture(broker: Broker, call: Call, said: Said) -> Decimal:
    usage = said.usage
    price = call.order.model.price.of(usage.prompt_tokens, usage.completion_tokens, usage.searches)
    if price > call.held:
        # The bound was too low: the difference is ours to bear.
        OVERRUN.inc(float(price - call.held))
        log.warning("call.overran", job_id=str(call.job.id), model=call.order.model.id, lost=str(price - call.held))
    # What will be charged: never more than is held.
    answer = Answer(said.document, usage, min(price, call.held))
    return await broker.calls.end(EndedCall(
        account_id=call.account_id, job_id=call.job.id, fence=call.job.fence, attempt_id=call.attempt_id,
        credits=price, task_id=call.generation_id, cost=usage.cost, output=usage.counts,
        idempotency=call.idempotency, response=kept_answer(answer) if call.idempotency else None, kept_s=KEPT_S,
    ))


async def _fail(broker: Broker, call: Call, trouble: ProviderError) -> AppError:
    """End the job with a refund; answers what the client is told."""
    log.warning("call.failed", job_id=str(call.job.id), verdict=type(trouble).__name__, detail=trouble.detail)
    outcome = AttemptOutcome.FAILED if isinstance(trouble, Broken) else AttemptOutcome.REFUSED
    async with broker.db.transaction() as db:
        await queries.answer_attempt(
            db, call.attempt_id, outcome, task_id=call.generation_id, cost=trouble.cost, detail=trouble.detail
        )
        await fail(db, call.job, reason=type(trouble).__name__.lower(), error=trouble.message)
        await forget_answer(db, call.account_id, call.job.id)
    return Invalid(trouble.message) if isinstance(trouble, Rejected) else UpstreamFailed(trouble.message)


async def _lose(broker: Broker, call: Call, trouble: Unclear) -> AppError:
    """Leave the job to a worker, who asks upstream what became of it; answers what the client is told."""
    log.warning("call.lost", job_id=str(call.job.id), generation_id=call.generation_id, detail=trouble.detail)
    async with broker.db.transaction() as db:
        await queries.answer_attempt(
            db, call.attempt_id, AttemptOutcome.LOST, task_id=call.generation_id,
            detail=trouble.detail or trouble.message,
        )
        await advance_state(db, call.job, JobState.UNCLEAR)
        await queries.rest(db, call.job, delay_s=RECORD_AFTER_S, lease_s=broker.settings.lease_s)
    return UpstreamFailed(trouble.message)

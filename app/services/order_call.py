"""Accepting a call to a language model: the most it can cost is held, and its intent committed, before it is made."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from app.accounts.keys import KeyRecord
from app.db.ids import new_id
from app.errors import InsufficientCredits, Unavailable
from app.jobs.models import Job
from app.jobs.states import JobState
from app.ledger import HoldKind
from app.providers.openrouter import OpenRouter
from app.providers.port import ProviderKey
from app.services.broker import Broker
from app.services.job_writer import Created, Idempotency, NewJob
from app.services.model_book import PricedModel
from app.services.selling import refuse_empty_purse

# An answer that must end before this is not worth beginning (design 3).
LEAST_TOKENS = 256
# Between the end of the grace period and the deadline.
MARGIN_S = 60.0


@dataclass(frozen=True)
class Order:
    """A call as it will be made.

    `prompt_tokens` and `searches` are bounds. `cap` is how many tokens the answer may have, and `cap_field` says so
    upstream; None for a call without an answer in tokens.
    """

    service: str
    route: str
    model: PricedModel
    body: Mapping[str, Any]
    prompt_tokens: int
    searches: int = 0
    cap: int = 0
    cap_field: str | None = None
    streams: bool = False

    def most(self, cap: int) -> Decimal:
        """The most that the call can cost with this cap, in credits."""
        return self.model.price.of(self.prompt_tokens, cap, self.searches)

    def sent(self, cap: int) -> bytes:
        """The body on the wire."""
        capped = {} if self.cap_field is None else {self.cap_field: cap}
        return orjson.dumps({**self.body, **capped, "model": self.model.id})


@dataclass
class Call:
    """An accepted call that this process makes now. The key and its attempt change when a key is refused."""

    order: Order
    job: Job
    attempt_id: UUID
    key: ProviderKey
    body: bytes
    held: Decimal
    idempotency: Idempotency | None
    account_id: UUID
    generation_id: str | None = None
    tried: set[str] = field(default_factory=set)


async def order_call(
    broker: Broker, caller: KeyRecord, order: Order, idempotency: Idempotency | None
) -> Call | Created:
    """Hold the bound and write the job, durably; answers the earlier job where the idempotency key is known.

    With too few credits for the cap it is lowered to what they pay. Raises InsufficientCredits when that would be less
    than 256 tokens, Unavailable, Invalid.
    """
    if broker.openrouter is None:
        raise Unavailable("No provider of language models is configured")
    try:
        await refuse_empty_purse(broker, OpenRouter.name, "This model")
    except Unavailable:
        earlier = await broker.jobs.find(caller.account_id, idempotency) if idempotency else None
        if earlier is None:
            raise
        return earlier
    key = await broker.turns.pick()
    try:
        return await _hold(broker, caller, order, cap=order.cap, key=key, idempotency=idempotency)
    except InsufficientCredits as shortage:
        cap = _affordable(order, shortage)
    return await _hold(broker, caller, order, cap=cap, key=key, idempotency=idempotency)


def _affordable(order: Order, shortage: InsufficientCredits) -> int:
    cap = order.model.price.affordable_tokens(
        shortage.available, prompt_tokens=order.prompt_tokens, searches=order.searches
    )
    least = min(order.cap, LEAST_TOKENS)
    if cap < least or not order.cap_field:
        raise InsufficientCredits(order.most(least), shortage.available, shortage.balance)
    return min(cap, order.cap)


async def _hold(
    broker: Broker, caller: KeyRecord, order: Order, *, cap: int, key: ProviderKey, idempotency: Idempotency | None
) -> Call | Created:
    settings = broker.settings
    attempt_id = new_id()
    most = order.most(cap)
    created = await broker.jobs.create(
        NewJob(
            account_id=caller.account_id,
            key_id=caller.id,
            service=order.service,
            lane=OpenRouter.name,
            # Never what was said: a summary for the operator.
            request={"model": order.model.id, "stream": order.streams, "max_tokens": cap},
            credits=most,
            rates_version=order.model.rates_version,
            hold_kind=HoldKind.DEFERRED,
            deadline_s=settings.chat_timeout_s + settings.grace_s + MARGIN_S,
            state=JobState.SUBMITTING,
            lease_s=settings.lease_s,
            attempt_id=attempt_id,
            provider_key=key.fingerprint,
            idempotency=idempotency,
            inputs={"price": order.model.price.frozen()},
        )
    )
    if created.is_replay:
        return created
    # As the create has written it: this process has the first lease.
    job = Job(
        id=created.job_id, service=order.service, lane=OpenRouter.name, state=JobState.SUBMITTING, fence=1,
        lease_until=created.created_at + timedelta(seconds=settings.lease_s),
    )
    return Call(order, job, attempt_id, key, order.sent(cap), most, idempotency, caller.account_id)

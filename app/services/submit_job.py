"""Accepting a request for a media service: price it, hold the credits, write the job, wake a worker."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from app.accounts.keys import KeyRecord
from app.catalog.model import LocalWork, Metered, Service, ServiceRequest, UpstreamTask
from app.errors import FileTooLarge, InputUnusable, Invalid, TooLarge, Unavailable
from app.files.register import load_files
from app.jobs import queries
from app.ledger import find_balance, shortage
from app.services.broker import Broker
from app.services.fetch_inputs import Kept, Owner, fetch_inputs, refuse_private_urls
from app.services.forms import settle_request
from app.services.job_writer import Created, Idempotency, NewJob
from app.services.keep_files import media_of
from app.services.selling import refuse_unsold


@dataclass(frozen=True)
class Quote:
    """What a request costs now, under which version of the rates, and the inputs that were measured for it.

    `cost` is what the provider takes for it by its list, in its own unit, where that is known.
    """

    credits: Decimal
    rates_version: int
    cost: Decimal | None
    inputs: Mapping[str, Any] = field(default_factory=dict)


def _check_available(broker: Broker, service: Service) -> None:
    needed = service.provider
    if needed is not None and needed not in broker.providers and needed not in broker.callers:
        raise Unavailable(f"{service.title} is not available on this server: it has no provider")


async def review_request(
    broker: Broker, caller: KeyRecord, service: Service, request: ServiceRequest
) -> str | None:
    """Refuse what cannot be served, before anything is held; answers what will be served otherwise than asked.

    Raises Unavailable for a service whose provider has no key here, and Invalid.
    """
    _check_available(broker, service)
    if service.check is not None:
        service.check(request, broker.settings)
    refuse_private_urls(broker, service, request.model_dump(mode="json"))
    _, changes = settle_request(broker.settings, service, request)
    await _refuse_foreign(broker, caller, service, request)
    return " ".join(changes) or None


async def _refuse_foreign(broker: Broker, caller: KeyRecord, service: Service, request: ServiceRequest) -> None:
    """Raise Invalid for a thing that is named and was not made by a job of the caller."""
    owned = service.owned
    named = set(getattr(request, owned.field) or ()) if owned is not None else set()
    if owned is None or not named:
        return
    async with broker.db.statement() as db:
        known = await queries.find_made(db, caller.account_id, service=owned.service, value=owned.value, among=named)
    if foreign := sorted(named - known):
        raise Invalid.at(owned.field, f"{foreign[0]!r} is none of yours", type_="not_owned")


async def quote(broker: Broker, caller: KeyRecord, service: Service, request: ServiceRequest) -> Quote:
    """The price of a request, from the same function for a dry run and for the real one.

    A metered service fetches and measures here, in a bounded pool, once the caller can pay the least that it costs;
    the bytes that are measured are those that are used. Raises InsufficientCredits, Invalid, TooLarge.
    """
    now = await broker.rates.of(service.id, service.rates)
    costs = broker.costs.of(service) if isinstance(service.run, UpstreamTask) else {}
    price = service.price(request, now.rates)
    if service.metered is None:
        return Quote(price, now.version, service.price(request, costs) if costs else None)
    async with broker.db.statement() as db:
        if (await find_balance(db, caller.account_id)).available < price:
            raise await shortage(db, caller.account_id, caller.id, required=price)
    async with broker.places.measuring:
        inputs = await _fetch(broker, caller, service, request)
        seconds = await _seconds(broker, service.metered, inputs)
    cost = service.metered.price(request, costs, seconds) if costs else None
    return Quote(service.metered.price(request, now.rates, seconds), now.version, cost, inputs)


async def _fetch(broker: Broker, caller: KeyRecord, service: Service, request: ServiceRequest) -> Kept:
    settled, _ = settle_request(broker.settings, service, request)
    owner = Owner(caller.account_id)
    try:
        return await fetch_inputs(broker, service, settled.model_dump(mode="json"), owner=owner, kept={})
    except InputUnusable as refusal:
        if isinstance(refusal.cause, FileTooLarge):
            raise TooLarge(str(refusal)) from refusal
        raise Invalid.at(refusal.field, str(refusal.cause), type_="file_refused") from refusal


async def _seconds(broker: Broker, metered: Metered, inputs: Kept) -> Decimal:
    async with broker.db.statement() as db:
        (file,) = await load_files(db, [UUID(inputs[metered.field][0]["file_id"])])
    seconds = media_of(file).duration_s
    if not seconds:
        raise Invalid.at(metered.field, "The file has no length.", type_="file_refused")
    return Decimal(str(seconds))


async def submit_job(
    broker: Broker, caller: KeyRecord, service: Service, request: ServiceRequest, *,
    message: str | None = None, idempotency: Idempotency | None = None,
) -> Created:
    """Accept a reviewed request durably, or raise InsufficientCredits, Invalid, TooLarge or Unavailable (what is not
    sold now) and change nothing.

    After this returns the job exists, its credits are held, and it will reach an end whatever process dies.
    """
    if service.metered is not None and idempotency is not None:
        earlier = await broker.jobs.find(caller.account_id, idempotency)
        if earlier is not None:
            return earlier
    try:
        await refuse_unsold(broker, service)
    except Unavailable:
        earlier = await broker.jobs.find(caller.account_id, idempotency) if idempotency else None
        if earlier is None:
            raise
        return earlier
    price = await quote(broker, caller, service, request)
    created = await broker.jobs.create(
        NewJob(
            account_id=caller.account_id,
            key_id=caller.id,
            service=service.id,
            lane=service.lane,
            request=request.model_dump(mode="json"),
            credits=price.credits,
            rates_version=price.rates_version,
            hold_kind=service.hold,
            deadline_s=service.deadline_s,
            # Local work fetches its inputs in its own step; a provider's are fetched and handed up before its turn.
            prepared=isinstance(service.run, LocalWork) or not service.inputs,
            message=message,
            idempotency=idempotency,
            inputs=price.inputs,
            listed_cost=price.cost,
        )
    )
    if not created.is_replay:
        broker.doorbell.ring(service.lane)
    return created

"""Accepting a request for a media service: price it, hold the credits, write the job, wake a worker."""

from dataclasses import dataclass
from decimal import Decimal

from app.accounts.keys import KeyRecord
from app.catalog.model import LocalWork, Service, ServiceRequest
from app.errors import Unavailable
from app.services.broker import Broker
from app.services.job_writer import Created, Idempotency, NewJob


@dataclass(frozen=True)
class Quote:
    """What a request costs now, and under which version of the rates."""

    credits: Decimal
    rates_version: int


def check_available(broker: Broker, service: Service) -> None:
    """Raise Unavailable for a service whose provider has no key here."""
    needed = service.run.needs if isinstance(service.run, LocalWork) else service.run.provider
    if needed is not None and needed not in broker.providers:
        raise Unavailable(f"{service.title} is not available on this server: it has no provider")


async def quote(broker: Broker, service: Service, request: ServiceRequest) -> Quote:
    """The price of a request, from the same function for a dry run and for the real one."""
    now = await broker.rates.of(service.id, service.rates)
    return Quote(service.price(request, now.rates), now.version)


async def submit_job(
    broker: Broker, caller: KeyRecord, service: Service, request: ServiceRequest, idempotency: Idempotency | None
) -> Created:
    """Accept the request durably, or raise InsufficientCredits, Unavailable or Invalid and change nothing.

    After this returns the job exists, its credits are held, and it will reach an end whatever process dies.
    """
    check_available(broker, service)
    price = await quote(broker, service, request)
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
            message=" ".join(service.convert(request)) or None,
            idempotency=idempotency,
        )
    )
    if not created.is_replay:
        broker.doorbell.ring(service.lane)
    return created

"""What is not sold at the moment although it could be made: too dear for us, or from a purse that is nearly empty."""

from app.catalog.model import Service
from app.errors import Unavailable
from app.services.broker import Broker

NEARLY_EMPTY = "is not sold at the moment: the server's account with its provider is nearly empty"
BELOW_FLOOR = "is not sold at the moment: its price does not pay for what its provider takes"


async def refuse_unsold(broker: Broker, service: Service) -> None:
    """Raise Unavailable for a service of a provider whose purse is low, or with a rate below the operator's floor."""
    if service.provider is None:
        return
    await refuse_empty_purse(broker, service.provider, service.title)
    floor = broker.settings.least_margin
    if floor is None:
        return
    now = await broker.rates.of(service.id, service.rates)
    if not all(margin.is_above_cost(floor) for margin in broker.costs.margins(service, now.rates)):
        raise Unavailable(f"{service.title} {BELOW_FLOOR}")


async def refuse_empty_purse(broker: Broker, provider: str, what: str) -> None:
    """Raise Unavailable while the provider's purse is low. It looks into memory; once a second into the database."""
    if await broker.purses.is_low(provider):
        raise Unavailable(f"{what} {NEARLY_EMPTY}")

"""What providers take for what we sell, by their lists and the settings, and what of it is sold below that."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import structlog

from app.catalog.model import Costs, Service, UpstreamTask
from app.config import Settings
from app.providers.registry import usd_per_unit

log = structlog.get_logger()

ZERO, ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True)
class RateMargin:
    """A rate beside its cost, both in US dollars for one of what the rate is a rate of."""

    service: str
    rate: str
    sold_usd: Decimal
    cost_usd: Decimal

    def is_above_cost(self, margin: Decimal) -> bool:
        """Whether it is sold for its cost and this share of it, or more."""
        return self.sold_usd >= self.cost_usd * (ONE + margin)


class CostBook:
    """The list prices of the day. One for each process."""

    def __init__(self, settings: Settings, catalog: Mapping[str, Service]) -> None:
        """Raises ValueError for a setting that names no rate, and for costs that are none of their service's rates."""
        self._settings = settings
        self._day = date.min
        self._costs: dict[str, Costs] = {}
        rates = {f"{service.id}/{rate}" for service in catalog.values() for rate in service.rates if service.provider}
        if unknown := sorted(settings.upstream_costs.keys() - rates):
            raise ValueError(f"PHAYA_UPSTREAM_COSTS names {unknown[0]!r}, which is no rate of a provider's service")
        for service in catalog.values():
            _refuse_odd_costs(service, self.of(service))

    def of(self, service: Service) -> Costs:
        """What the provider takes for one of each rate, in its own unit; empty where that is not known."""
        today = datetime.now(UTC).date()
        if today != self._day:
            self._day, self._costs = today, {}
        costs = self._costs.get(service.id)
        if costs is None:
            costs = self._costs[service.id] = self._read(service, today)
        return costs

    def margins(self, service: Service, rates: Mapping[str, Decimal]) -> Iterator[RateMargin]:
        """Each of the service's rates whose cost is known, beside it."""
        unit_usd = usd_per_unit(self._settings, service.provider)
        for rate, cost in self.of(service).items():
            yield RateMargin(service.id, rate, rates[rate] * self._settings.credit_usd, cost * unit_usd)

    def below_cost(
        self, catalog: Mapping[str, Service], rates: Mapping[str, Mapping[str, Decimal]]
    ) -> dict[str, list[str]]:
        """The services that have, among these rates of theirs, some below the provider's list; and which these are."""
        found = {
            service.id: [it.rate for it in self.margins(service, rates[service.id]) if not it.is_above_cost(ZERO)]
            for service in catalog.values()
        }
        return {service: names for service, names in found.items() if names}

    def _read(self, service: Service, day: date) -> Costs:
        listed = {rate: Decimal(cost) for rate, cost in service.costs(self._settings, day).items()}
        changed = {
            rate: cost for rate in service.rates
            if (cost := self._settings.upstream_costs.get(f"{service.id}/{rate}")) is not None
        }
        return listed | changed


def _refuse_odd_costs(service: Service, costs: Costs) -> None:
    """A task's cost is made by its price function, which may ask for every rate."""
    unknown, missing = costs.keys() - service.rates.keys(), service.rates.keys() - costs.keys()
    if unknown or (costs and missing and isinstance(service.run, UpstreamTask)):
        raise ValueError(f"{service.id}: costs are known of {sorted(costs)}, its rates are {sorted(service.rates)}")


def defaults_below_cost(settings: Settings, catalog: Mapping[str, Service]) -> dict[str, list[str]]:
    """The services whose default rates are below the provider's list, and which rates these are."""
    rates = {
        service.id: {rate: Decimal(value) for rate, value in service.rates.items()} for service in catalog.values()
    }
    return CostBook(settings, catalog).below_cost(catalog, rates)


def name_below_cost(settings: Settings, catalog: Mapping[str, Service]) -> None:
    """One line in the log for all services whose default rates are below cost."""
    if below := defaults_below_cost(settings, catalog):
        log.warning("services.below_cost", rates=below, credit_usd=str(settings.credit_usd))

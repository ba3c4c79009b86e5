"""Find every service in entries/ and refuse to start on a mistake in one."""

import pkgutil
from decimal import Decimal
from functools import cache
from importlib import import_module

from app.catalog import entries
from app.catalog.model import LocalWork, Service
from app.jobs.wire import MEDIA_LANE


class CatalogMistake(Exception):
    """A file in entries/ contradicts itself or another; the message names it."""


@cache
def load_catalog() -> dict[str, Service]:
    """All services by id, in the order of their files. Raises CatalogMistake."""
    services: dict[str, Service] = {}
    for module in pkgutil.iter_modules(entries.__path__):
        service = getattr(import_module(f"{entries.__name__}.{module.name}"), "SERVICE", None)
        if not isinstance(service, Service):
            raise CatalogMistake(f"entries/{module.name}.py has no SERVICE")
        if service.id in services:
            raise CatalogMistake(f"{service.id} is defined twice")
        _check(service)
        services[service.id] = service
    return services


def _check(service: Service) -> None:
    fields = service.request.model_fields
    for entry in service.inputs:
        if entry.field not in fields:
            raise CatalogMistake(f"{service.id}: the input {entry.field} is no field of its request")
    if not service.examples:
        raise CatalogMistake(f"{service.id} has no example")
    rates = {name: Decimal(rate) for name, rate in service.rates.items()}
    for example in service.examples:
        request = service.request.model_validate(example.request)
        if (credits := service.price(request, rates)) != Decimal(example.credits):
            raise CatalogMistake(f"{service.id}: an example says {example.credits} credits, its price is {credits}")


def waiting_lanes() -> tuple[str, ...]:
    """The lanes of local work that mostly waits for a provider, and so runs on the upstream worker."""
    lanes = {service.lane for service in load_catalog().values() if isinstance(service.run, LocalWork)}
    return tuple(sorted(lanes - {MEDIA_LANE}))

"""Find every service in entries/ and refuse to start on a mistake in one."""

import pkgutil
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from importlib import import_module

from app.catalog import entries
from app.catalog.model import Example, LocalWork, Rates, Service, UpstreamTask
from app.catalog.vocabulary import Vocabulary
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
        services[service.id] = service
    check_catalog(services)
    return services


def check_catalog(services: Mapping[str, Service]) -> None:
    """Raise CatalogMistake for an entry that contradicts itself or another."""
    for service in services.values():
        _check_fields(service)
        _check_relations(service, services)
        _check_examples(service)
        _check_models(service)


def _check_fields(service: Service) -> None:
    named = [entry.field for entry in service.inputs]
    named += [service.owned.field] if service.owned else []
    named += service.creations.fields if service.creations else []
    if isinstance(service.run, UpstreamTask):
        named += [rule.field for form in service.run.forms for rule in form.rules]
    if unknown := sorted(set(named) - service.request.model_fields.keys()):
        raise CatalogMistake(f"{service.id}: {unknown[0]} is no field of its request")


def _check_relations(service: Service, services: Mapping[str, Service]) -> None:
    if service.is_cancellable != (service.vocabulary is Vocabulary.LOWER_WITH_CANCEL):
        raise CatalogMistake(f"{service.id}: its vocabulary and its cancel route do not go together")
    if service.metered is not None and service.metered.field not in {entry.field for entry in service.inputs}:
        raise CatalogMistake(f"{service.id}: {service.metered.field} is to be measured and is none of its inputs")
    if (owned := service.owned) is not None:
        maker = services.get(owned.service)
        if maker is None or owned.value not in {field.name for field in maker.results}:
            raise CatalogMistake(f"{service.id}: no service {owned.service} makes a {owned.value}")


def _check_examples(service: Service) -> None:
    if not service.examples:
        raise CatalogMistake(f"{service.id} has no example")
    rates = {name: Decimal(rate) for name, rate in service.rates.items()}
    for example in service.examples:
        credits = _price(service, example, rates)
        if credits != Decimal(example.credits):
            raise CatalogMistake(f"{service.id}: an example says {example.credits} credits, its price is {credits}")


def _check_models(service: Service) -> None:
    """Each form names only models that it says it does, or the settings could not rename them."""
    forms = service.run.forms if isinstance(service.run, UpstreamTask) else ()
    for form in forms:
        for example in service.examples:
            model = form.task(service.request.model_validate(example.request), {}).model
            if model not in form.models:
                raise CatalogMistake(f"{service.id}: {model} is none of the models of its form {form.dialect}")


def _price(service: Service, example: Example, rates: Rates) -> Decimal:
    request = service.request.model_validate(example.request)
    if service.metered is not None and example.seconds is not None:
        return service.metered.price(request, rates, Decimal(example.seconds))
    return service.price(request, rates)


def waiting_lanes() -> tuple[str, ...]:
    """The lanes of local work that mostly waits for a provider, and so runs on the upstream worker."""
    lanes = {service.lane for service in load_catalog().values() if isinstance(service.run, LocalWork)}
    return tuple(sorted(lanes - {MEDIA_LANE}))

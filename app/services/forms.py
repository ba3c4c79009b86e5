"""Which way a provider is asked, and what becomes of a request on that way (design 4.7, 5)."""

from collections.abc import Mapping

from app.catalog.model import Form, Service, ServiceRequest, UpstreamTask
from app.catalog.rules import settle
from app.config import Settings


def choose_form(settings: Settings, task: UpstreamTask) -> Form:
    """The model's own routes where there are any and the settings prefer them, else the jobs API.

    Routes that need a callback are of no use to a server without a public address.
    """
    legacy = task.legacy
    if legacy is None or settings.kie_dialect == "jobs" or (legacy.needs_callback and settings.public_url is None):
        return task.form
    return legacy


def form_of_dialect(task: UpstreamTask, dialect: str | None) -> Form:
    """The form by which an attempt was made, whatever the settings say now."""
    return next((form for form in task.forms if form.dialect == dialect), task.form)


def settle_request(settings: Settings, service: Service, request: ServiceRequest) -> tuple[ServiceRequest, list[str]]:
    """The request as it will be served, and a sentence for each change. Raises Invalid for what cannot be served."""
    if not isinstance(service.run, UpstreamTask):
        return request, []
    return settle(request, choose_form(settings, service.run).rules)


def refuse_unknown_models(settings: Settings, catalog: Mapping[str, Service]) -> None:
    """Raise ValueError for a setting that renames a model which no service uses: it would do nothing, silently."""
    tasks = [service.run for service in catalog.values() if isinstance(service.run, UpstreamTask)]
    known = {model for task in tasks for form in task.forms for model in form.models}
    if unknown := sorted(settings.upstream_models.keys() - known):
        raise ValueError(f"PHAYA_UPSTREAM_MODELS names {unknown[0]!r}; the services use {', '.join(sorted(known))}")

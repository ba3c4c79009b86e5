"""`/metrics` for Prometheus. It tells how the business goes, so it is for admin keys and for who has the token."""

import hmac
from collections.abc import Iterable
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.api.deps import BrokerDep, authenticate_admin, broker_of
from app.api.schemas import error_responses
from app.errors import DatabaseAway
from app.metrics import render
from app.services.broker import Broker
from app.services.figures import Figures, read_figures
from app.services.report import Report

log = structlog.get_logger()

router = APIRouter(tags=["Health"])


async def authenticate_scraper(request: Request) -> None:
    """Whoever presents `PHAYA_METRICS_TOKEN` or an admin key. Raises InvalidKey, Forbidden, TooManyRequests."""
    token = broker_of(request).settings.metrics_token
    given = request.headers.get("authorization", "")
    if token is not None and hmac.compare_digest(given.encode(), f"Bearer {token.get_secret_value()}".encode()):
        return
    await authenticate_admin(request)


@router.get(
    "/metrics", summary="Figures for Prometheus", response_class=Response,
    responses={200: {"description": "OK", "content": {"text/plain": {}}}, **error_responses(401, 403, 429)},
)
async def metrics(broker: BrokerDep, _: Annotated[None, Depends(authenticate_scraper)]) -> Response:
    registry = CollectorRegistry()
    registry.register(_Families(await _families(broker)))
    own = render(broker.settings.prometheus_multiproc_dir)
    return Response(own + generate_latest(registry), media_type=CONTENT_TYPE_LATEST)


class _Families(Collector):
    """Families that were read before: prometheus-client itself cannot wait for a database."""

    def __init__(self, families: Iterable[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families."""
        return self._families


async def _families(broker: Broker) -> list[GaugeMetricFamily]:
    keys = GaugeMetricFamily("phaya_provider_keys", "Keys that are configured", labels=["provider"])
    counts = {name: len(provider.keys) for name, provider in broker.providers.items()}
    counts |= {name: len(provider.keys) for name, provider in broker.callers.items()}
    if broker.openrouter is not None:
        counts[broker.openrouter.name] = len(broker.openrouter.keys)
    for name, count in counts.items():
        keys.add_metric([name], count)
    try:
        figures, day = await read_figures(broker.db), await broker.day.report()
    except DatabaseAway as error:
        log.warning("metrics.without_database", error=repr(error.__cause__))
        return [_one("phaya_database_up", "Whether Postgres answered", 0), keys]
    is_up = _one("phaya_database_up", "Whether Postgres answered", 1)
    return [is_up, keys, *_of(figures), *_of_services(day), *_of_purses(day)]


def _of(figures: Figures) -> list[GaugeMetricFamily]:
    jobs = GaugeMetricFamily("phaya_jobs", "Live jobs", labels=["lane", "state"])
    oldest = GaugeMetricFamily("phaya_jobs_oldest_seconds", "Age of the oldest live job", labels=["lane", "state"])
    for live in figures.live:
        jobs.add_metric([live.lane, live.state], live.count)
        oldest.add_metric([live.lane, live.state], live.oldest_s)
    resting = GaugeMetricFamily("phaya_provider_keys_resting", "Keys left alone for now", labels=["provider"])
    for provider, count in figures.resting_keys.items():
        resting.add_metric([provider], count)
    credits = GaugeMetricFamily("phaya_credits", "Credits of all accounts", labels=["figure"])
    for figure, amount in vars(figures.credits).items():
        credits.add_metric([figure], float(amount))
    overdue_s = max((live.overdue_s for live in figures.live), default=0)
    return [
        jobs, oldest, resting, credits,
        _one("phaya_jobs_overdue_seconds", "How far the latest live job is past its deadline", overdue_s),
        _one("phaya_jobs_flagged", "Jobs that ask for an operator's look", figures.flagged),
        *_of_audit(figures),
    ]


def _of_services(day: Report) -> list[GaugeMetricFamily]:
    jobs = GaugeMetricFamily("phaya_day_jobs", "Jobs that ended in the last day", labels=["service", "state"])
    credits = GaugeMetricFamily("phaya_day_credits", "Credits that they were charged", labels=["service"])
    usd = GaugeMetricFamily("phaya_day_usd", "What they earned, cost and lost, in US dollars",
                            labels=["service", "figure"])
    below = GaugeMetricFamily("phaya_rates_below_cost", "Rates below the provider's list", labels=["service"])
    for it in day.services:
        for state in ("succeeded", "failed", "cancelled"):
            jobs.add_metric([it.service, state], getattr(it, state))
        credits.add_metric([it.service], float(it.credits))
        for figure in ("earned", "cost", "margin", "lost"):
            usd.add_metric([it.service, figure], float(getattr(it, f"{figure}_usd")))
        below.add_metric([it.service], len(it.below_cost))
    return [jobs, credits, usd, below, _one("phaya_jobs_unclear", "Jobs whose outcome is unknown", day.unclear)]


def _of_purses(day: Report) -> list[GaugeMetricFamily]:
    names = ["provider", "key"]
    left = GaugeMetricFamily("phaya_purse_left", "What a key's account has left, in the provider's unit", labels=names)
    least = GaugeMetricFamily("phaya_purse_least", "With less than this left nothing is sold", labels=names)
    told = GaugeMetricFamily("phaya_purse_timestamp_seconds", "When the provider told it", labels=names)
    drift = GaugeMetricFamily("phaya_purse_drift", "What it lost in a day beyond what our books say", labels=names)
    for it in day.purses:
        key = [it.provider, it.fingerprint]
        least.add_metric(key, float(it.least))
        told.add_metric(key, it.seen_at.timestamp())
        for family, amount in ((left, it.left), (drift, it.drift)):
            if amount is not None:
                family.add_metric(key, float(amount))
    return [left, least, told, drift]


def _of_audit(figures: Figures) -> list[GaugeMetricFamily]:
    run = figures.last_audit
    if run is None:
        return []
    return [
        _one("phaya_audit_violations", "Rows that broke a rule of the ledger, by the last run", run.violations),
        _one("phaya_audit_timestamp_seconds", "When the last run was", run.at.timestamp()),
    ]


def _one(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)

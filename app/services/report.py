"""The report: what services earned and cost, what is left with providers, and whether our books agree with theirs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.loader import load_catalog
from app.config import Settings
from app.db.engine import Database
from app.errors import Invalid
from app.jobs import accounting, counting
from app.jobs.accounting import EndedJobs, PaidCalls
from app.providers.registry import purse_leasts, usd_per_unit
from app.purses.days import DayView, list_days
from app.purses.readings import Loss, PurseView, Span, purses_seen, read_loss
from app.services.admin_rates import list_rates
from app.services.costs import CostBook

USUAL_SPAN = timedelta(days=1)
# It reads every job that ended in its time.
WITHIN = "5min"
ZERO = Decimal(0)


@dataclass(frozen=True)
class ServiceFigures:
    """A service's jobs that ended in the report's time.

    `cost` is in the provider's unit, `lost_usd` is that part of it which went to jobs that did not succeed. Calls
    whose cost the provider did not name count by its list (`by_list`), or as nothing (`unknown`). `below_cost` are the
    rates in force that are below the provider's list.
    """

    service: str
    provider: str | None
    succeeded: int
    failed: int
    cancelled: int
    credits: Decimal
    earned_usd: Decimal
    cost: Decimal
    cost_usd: Decimal
    lost_usd: Decimal
    by_list: int
    unknown: int
    below_cost: Sequence[str]

    @property
    def margin_usd(self) -> Decimal:
        """What is left of what was earned."""
        return self.earned_usd - self.cost_usd


@dataclass(frozen=True)
class PurseFigures:
    """A key's account with a provider, in its unit: what is left, and what it lost beside what our books say.

    The three amounts at the end are None where there are not two readings in the time; it is compared from `since` to
    `until`, as far as readings reach, without the moments in which the purse was filled.
    """

    provider: str
    fingerprint: str
    left: Decimal | None
    least: Decimal
    seen_at: datetime
    since: datetime | None
    until: datetime | None
    lost: Decimal | None
    booked: Decimal | None

    @property
    def drift(self) -> Decimal | None:
        """What the purse lost beyond what our books say."""
        return None if self.lost is None or self.booked is None else self.lost - self.booked

    @property
    def is_low(self) -> bool:
        """Whether less is left than the settings want."""
        return self.left is not None and self.left < self.least


@dataclass(frozen=True)
class Report:
    """From `since` on and before `until`; what stands behind the money now."""

    since: datetime
    until: datetime
    services: Sequence[ServiceFigures]
    purses: Sequence[PurseFigures]
    days: Sequence[DayView]
    unclear: int
    flagged: int

    @property
    def earned_usd(self) -> Decimal:
        """Of all services."""
        return sum((it.earned_usd for it in self.services), ZERO)

    @property
    def cost_usd(self) -> Decimal:
        """Of all services."""
        return sum((it.cost_usd for it in self.services), ZERO)

    @property
    def margin_usd(self) -> Decimal:
        """Of all services."""
        return self.earned_usd - self.cost_usd


async def make_report(
    database: Database, settings: Settings, *, since: datetime | None = None, until: datetime | None = None
) -> Report:
    """The report on one snapshot of the database; by default of the last day. Raises Invalid for an empty time."""
    async with database.transaction() as db:
        await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        await db.execute(text(f"SET LOCAL statement_timeout = '{WITHIN}'"))
        until = until or (await db.execute(select(func.now()))).scalar_one()
        since = since or until - USUAL_SPAN
        if since >= until:
            raise Invalid("The report's time must end after it begins")
        return Report(
            since, until,
            services=await _services(db, settings, since, until),
            purses=[await compare(db, settings, purse, Span(since, until)) for purse in await purses_seen(db, since)],
            days=await list_days(db, since, until),
            unclear=await counting.count_unclear(db),
            flagged=await counting.count_flagged(db),
        )


async def compare(db: AsyncSession, settings: Settings, purse: PurseView, wanted: Span) -> PurseFigures:
    """What the purse lost in the wanted time, beside what our books say of it."""
    loss = await read_loss(db, purse, wanted)
    return PurseFigures(
        purse.provider, purse.fingerprint, purse.left, purse_leasts(settings).get(purse.provider, ZERO), purse.seen_at,
        since=loss.span.since if loss else None, until=loss.span.until if loss else None,
        lost=loss.lost if loss else None, booked=await _booked(db, purse, loss) if loss else None,
    )


async def _booked(db: AsyncSession, purse: PurseView, loss: Loss) -> Decimal:
    async def booked(span: Span) -> Decimal:
        return await accounting.booked_under(
            db, purse.provider, purse.fingerprint, since=span.since, until=span.until
        )

    return await booked(loss.span) - sum([await booked(span) for span in loss.filled], ZERO)


async def _services(db: AsyncSession, settings: Settings, since: datetime, until: datetime) -> list[ServiceFigures]:
    ended = {it.service: it for it in await accounting.count_ended(db, since, until)}
    paid = {it.service: it for it in await accounting.count_paid(db, since, until)}
    below = await _below_cost(db, settings)
    return [
        _figures(settings, service, ended.get(service), paid.get(service), below.get(service, ()))
        for service in sorted({*ended, *below})
    ]


async def _below_cost(db: AsyncSession, settings: Settings) -> Mapping[str, Sequence[str]]:
    """The services with rates in force that are below the provider's list, and which these are."""
    catalog = load_catalog()
    rates: dict[str, dict[str, Decimal]] = {}
    for rate in await list_rates(db):
        rates.setdefault(rate.service, {})[rate.name] = rate.value
    return CostBook(settings, catalog).below_cost(catalog, rates)


def _figures(
    settings: Settings, service: str, ended: EndedJobs | None, paid: PaidCalls | None, below: Sequence[str]
) -> ServiceFigures:
    ended = ended or EndedJobs(service, 0, 0, 0, ZERO)
    sold = load_catalog().get(service)
    provider = paid.provider if paid else sold.provider if sold else None
    unit_usd = usd_per_unit(settings, provider)
    cost, lost = (paid.cost, paid.lost) if paid else (ZERO, ZERO)
    return ServiceFigures(
        service, provider, ended.succeeded, ended.failed, ended.cancelled, ended.credits,
        earned_usd=ended.credits * settings.credit_usd, cost=cost, cost_usd=cost * unit_usd, lost_usd=lost * unit_usd,
        by_list=paid.by_list if paid else 0, unknown=paid.unknown if paid else 0, below_cost=below,
    )

"""An operator reads and changes the prices, without a deploy."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.keys import record_act
from app.catalog.language.prices import PRICE_LISTS, is_model_rate
from app.catalog.loader import load_catalog
from app.catalog.models import RateChange
from app.errors import Invalid, NotFound
from app.services.rates import newest_changes

# Versions become visible in their order: one change at a time.
RATES_LOCK = 7_265_012


@dataclass(frozen=True)
class RateView:
    """A service's named rate, in credits: what is in force, what the catalogue says, and when an operator set it.

    A language model's own rate (`MODEL/RATE`) has no default here: without it the provider's list price holds.
    """

    service: str
    name: str
    value: Decimal
    default: Decimal | None
    changed_at: datetime | None


def default_rates() -> Mapping[tuple[str, str], Decimal]:
    """Every rate that there is, as the catalogue has it."""
    lists = {**{service.id: service.rates for service in load_catalog().values()}, **PRICE_LISTS}
    return {(service, name): Decimal(value) for service, rates in lists.items() for name, value in rates.items()}


async def list_rates(db: AsyncSession) -> list[RateView]:
    """All rates in force, by service and name."""
    changes = {(change.service, change.name): change for change in await newest_changes(db)}
    views = []
    defaults = default_rates()
    models = {rate for rate in changes if is_model_rate(*rate)}
    for service, name in sorted(defaults.keys() | models):
        change, default = changes.get((service, name)), defaults.get((service, name))
        views.append(RateView(
            service, name, value=change.value if change else default or Decimal(0), default=default,
            changed_at=change.created_at if change else None,
        ))
    return views


async def set_rate(db: AsyncSession, *, actor: str, service: str, name: str, value: Decimal) -> int:
    """Set a rate for what is created from now on; jobs that exist keep their price. Answers the new version.

    Every process uses it within a second. Raises NotFound, Invalid.
    """
    default = default_rates().get((service, name))
    if default is None and not is_model_rate(service, name):
        raise NotFound(f"There is no rate {name!r} of a service {service!r}")
    if value < 0:
        raise Invalid("A rate cannot be negative")
    await db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": RATES_LOCK})
    change = insert(RateChange).values(service=service, name=name, value=value)
    version = (await db.scalars(change.returning(RateChange.id))).one()
    detail = {"value": value, "default": default, "version": version}
    await record_act(db, actor=actor, act="rate.set", subject=f"{service}/{name}", detail=detail)
    return version

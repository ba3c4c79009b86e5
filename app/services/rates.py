"""The rates in force: the catalogue's, with what an operator has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import RateChange
from app.db.engine import Database
from app.db.remembered import Remembered

# A changed rate is used by every process within this time.
FRESH_S = 1.0


@dataclass(frozen=True)
class RatesNow:
    """Rates and the version under which they were read."""

    rates: Mapping[str, Decimal]
    version: int


@dataclass(frozen=True)
class _Changes:
    """All that operators have changed, by service and name, and the id of the last change."""

    rates: Mapping[tuple[str, str], Decimal]
    version: int


class RateBook:
    """Lays the changes over the catalogue's rates. One for each process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._newest = _Changes({}, 0)
        self._changes = Remembered(self._read, fresh_s=FRESH_S)
        self._merged: dict[tuple[str, str], tuple[Mapping[str, str], RatesNow]] = {}

    async def of(self, service: str, defaults: Mapping[str, str], *, model: str = "") -> RatesNow:
        """The rates of a service now; of one language model, whose rates are named `MODEL/NAME`, if that is given."""
        changes = await self._changes.get()
        known = self._merged.get((service, model))
        # A provider's list price may change, and is then the default.
        if known is not None and known[0] == defaults and known[1].version == changes.version:
            return known[1]
        prefix = f"{model}/" if model else ""
        rates = {
            name: changes.rates.get((service, prefix + name), Decimal(rate)) for name, rate in defaults.items()
        }
        now = RatesNow(rates, changes.version)
        self._merged[service, model] = (defaults, now)
        return now

    def forget(self) -> None:
        """Read anew at the next question: a rate was changed here."""
        self._changes.forget()

    async def _read(self) -> _Changes:
        async with self._db.statement() as db:
            version = await newest_version(db)
            if version != self._newest.version:
                rates = {(row.service, row.name): row.value for row in await newest_changes(db)}
                self._newest = _Changes(rates, version)
        return self._newest


async def newest_version(db: AsyncSession) -> int:
    """The id of the last change; 0 before the first."""
    return await db.scalar(select(func.coalesce(func.max(RateChange.id), 0))) or 0


async def newest_changes(db: AsyncSession) -> Sequence[RateChange]:
    """The change that counts, for every rate that was ever changed."""
    query = (
        select(RateChange)
        .ext(distinct_on(RateChange.service, RateChange.name))
        .order_by(RateChange.service, RateChange.name, RateChange.id.desc())
    )
    return (await db.scalars(query)).all()

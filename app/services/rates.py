"""The rates in force: the catalogue's, with what an operator has changed."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.catalog.models import RateChange
from app.db.engine import Database

# A changed rate is used by every process within this time.
FRESH_S = 1.0


@dataclass(frozen=True)
class RatesNow:
    """Rates and the version under which they were read."""

    rates: Mapping[str, Decimal]
    version: int


class RateBook:
    """Reads the changes at most once a second and lays them over the catalogue's rates."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._changes: dict[tuple[str, str], Decimal] = {}
        self._version = 0
        self._read_at = float("-inf")
        self._merged: dict[tuple[str, str], tuple[Mapping[str, str], RatesNow]] = {}
        self._reading = asyncio.Lock()

    async def of(self, service: str, defaults: Mapping[str, str], *, model: str = "") -> RatesNow:
        """The rates of a service now; of one language model, whose rates are named `MODEL/NAME`, if that is given."""
        if self._is_stale():
            # Nobody is charged by what was read too long ago, nor by the defaults before the first reading.
            async with self._reading:
                if self._is_stale():
                    await self._read()
        known = self._merged.get((service, model))
        # A provider's list price may change, and is then the default.
        if known is not None and known[0] == defaults:
            return known[1]
        prefix = f"{model}/" if model else ""
        rates = {
            name: self._changes.get((service, prefix + name), Decimal(rate)) for name, rate in defaults.items()
        }
        now = RatesNow(rates, self._version)
        self._merged[service, model] = (defaults, now)
        return now

    def forget(self) -> None:
        """Read anew at the next question: a rate was changed here."""
        self._read_at = float("-inf")

    def _is_stale(self) -> bool:
        return time.monotonic() - self._read_at > FRESH_S

    async def _read(self) -> None:
        asked_at = time.monotonic()
        async with self._db.statement() as db:
            version = await newest_version(db)
            if version != self._version:
                self._changes = {(row.service, row.name): row.value for row in await newest_changes(db)}
                self._version = version
                self._merged.clear()
        self._read_at = asked_at


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

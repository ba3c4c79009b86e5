"""The rates in force: the catalogue's, with what an operator has changed."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, insert, select
from sqlalchemy.dialects.postgresql import distinct_on

from app.catalog.model import Service
from app.catalog.models import RateChange
from app.db.engine import Database
from app.errors import Invalid

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
        self._merged: dict[str, RatesNow] = {}

    async def of(self, service: str, defaults: Mapping[str, str]) -> RatesNow:
        """The rates of a service now."""
        if time.monotonic() - self._read_at > FRESH_S:
            await self._read()
        if service not in self._merged:
            rates = {name: self._changes.get((service, name), Decimal(rate)) for name, rate in defaults.items()}
            self._merged[service] = RatesNow(rates, self._version)
        return self._merged[service]

    async def _read(self) -> None:
        self._read_at = time.monotonic()
        async with self._db.statement() as db:
            version = await db.scalar(select(func.coalesce(func.max(RateChange.id), 0)))
            if version == self._version:
                return
            newest = (
                select(RateChange)
                .ext(distinct_on(RateChange.service, RateChange.name))
                .order_by(RateChange.service, RateChange.name, RateChange.id.desc())
            )
            self._changes = {(row.service, row.name): row.value for row in await db.scalars(newest)}
            self._version = version or 0
            self._merged.clear()

    async def change(self, service: Service, *, name: str, value: Decimal, key_id: UUID | None) -> int:
        """Set a rate from now on; jobs that exist keep their price. Answers the new version."""
        if name not in service.rates:
            raise Invalid(f"{service.id} has no rate {name!r}: it has {', '.join(service.rates)}")
        if value < 0:
            raise Invalid("A rate cannot be negative")
        async with self._db.transaction() as db:
            row = insert(RateChange).values(service=service.id, name=name, value=value, key_id=key_id)
            version = (await db.scalars(row.returning(RateChange.id))).one()
        self._read_at = float("-inf")
        return version

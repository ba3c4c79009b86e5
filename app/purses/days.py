"""The days on which purses were compared with our books."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.purses.models import PurseDay


@dataclass(frozen=True)
class DayView:
    """A purse's day, in the provider's unit."""

    day: date
    provider: str
    fingerprint: str
    lost: Decimal
    booked: Decimal

    @property
    def drift(self) -> Decimal:
        """What the purse lost beyond what our books say."""
        return self.lost - self.booked


async def keep_day(db: AsyncSession, day: DayView) -> bool:
    """Write the comparison down; False if it was written down before, which stands."""
    row = upsert(PurseDay).values(**vars(day)).on_conflict_do_nothing().returning(PurseDay.day)
    return await db.scalar(row) is not None


async def list_days(db: AsyncSession, since: datetime, until: datetime) -> Sequence[DayView]:
    """The comparisons of the days of this time, begun ones included, newest first."""
    query = select(PurseDay).where(PurseDay.day >= since.date(), PurseDay.day <= until.date())
    rows = await db.scalars(query.order_by(PurseDay.day.desc(), PurseDay.provider, PurseDay.fingerprint))
    return [DayView(it.day, it.provider, it.fingerprint, it.lost, it.booked) for it in rows]


async def is_compared(db: AsyncSession, day: date, provider: str, fingerprint: str) -> bool:
    """Whether this purse's day was written down."""
    return await db.get(PurseDay, (day, provider, fingerprint)) is not None

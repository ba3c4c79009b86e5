"""The readings of purses, and what came of comparing them with our books."""

from datetime import date
from decimal import Decimal

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import CREDITS, Base, CreatedAt, CreditsColumn, Instant


class PurseReading(Base):
    """What a provider told of one key's account from `at` to `seen_at`, in its own unit: a new row when it changed.

    `spent` is all that was ever spent, where the provider counts that.
    """

    __tablename__ = "purse_readings"
    __table_args__ = (Index("purse_readings_purse_idx", "provider", "fingerprint", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    provider: Mapped[str]
    fingerprint: Mapped[str]
    left: Mapped[Decimal | None] = mapped_column("balance", CREDITS)
    spent: Mapped[Decimal | None] = mapped_column(CREDITS)
    at: Mapped[Instant]
    seen_at: Mapped[Instant]


class PurseDay(Base):
    """What a purse lost on a day (of UTC) that is over, beside what our books then said, in the provider's unit."""

    __tablename__ = "purse_days"

    day: Mapped[date] = mapped_column(primary_key=True)
    provider: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    lost: Mapped[CreditsColumn]
    booked: Mapped[CreditsColumn]
    compared_at: Mapped[CreatedAt]

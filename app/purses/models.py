"""The readings of purses."""

from decimal import Decimal

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import CREDITS, Base, Instant


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

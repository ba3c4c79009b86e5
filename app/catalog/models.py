"""Rates that an operator has changed."""

from sqlalchemy import BigInteger, Identity, Index
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import Base, CreatedAt, CreditsColumn


class RateChange(Base):
    """One change of one service's named rate. Append-only: the newest row counts, and the highest id is the version."""

    __tablename__ = "rate_changes"
    __table_args__ = (Index("rate_changes_name_idx", "service", "name", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    service: Mapped[str]
    name: Mapped[str]
    value: Mapped[CreditsColumn]
    created_at: Mapped[CreatedAt]

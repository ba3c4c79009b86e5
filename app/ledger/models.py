"""The tables of money. Nothing outside app.ledger imports this module."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, DateTime, ForeignKey, Identity, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import CREDITS, Base, CreatedAt, CreditsColumn, Id


class HoldKind(StrEnum):
    """A visible hold writes its debit at once; a deferred one only when it is captured."""

    VISIBLE = "visible"
    DEFERRED = "deferred"


class HoldState(StrEnum):
    """A hold is open until it is captured or released, once."""

    OPEN = "open"
    CAPTURED = "captured"
    RELEASED = "released"


class EntryKind(StrEnum):
    """What an entry is for. A debit is negative, a refund and a top-up positive, a correction either."""

    DEBIT = "debit"
    REFUND = "refund"
    TOPUP = "topup"
    CORRECTION = "correction"


class Balance(Base):
    """An account's money: `balance` is the sum of its entries, `available` is that less its open deferred holds."""

    __tablename__ = "balances"
    __table_args__ = (
        CheckConstraint("available >= 0", name="available_not_negative"),
        CheckConstraint("available <= balance", name="available_within_balance"),
        # Every create rewrites its account's row: room in the page keeps those updates off the index.
        {"postgresql_with": {"fillfactor": 50}},
    )

    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    balance: Mapped[Decimal] = mapped_column(CREDITS, server_default="0")
    available: Mapped[Decimal] = mapped_column(CREDITS, server_default="0")
    version: Mapped[int] = mapped_column(BigInteger, server_default="0")


class KeyBudget(Base):
    """A key's own cap: `spent` counts what it holds and what was captured; `credit_limit` None is no cap."""

    __tablename__ = "key_budgets"
    __table_args__ = (
        CheckConstraint("spent >= 0", name="spent_not_negative"),
        {"postgresql_with": {"fillfactor": 50}},
    )

    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"), primary_key=True)
    spent: Mapped[Decimal] = mapped_column(CREDITS, server_default="0")
    credit_limit: Mapped[Decimal | None] = mapped_column(CREDITS)


class Hold(Base):
    """Credits set aside for one job. Resolved exactly once."""

    __tablename__ = "holds"
    __table_args__ = (
        CheckConstraint("amount >= 0", name="amount_not_negative"),
        CheckConstraint("captured >= 0 AND captured <= amount", name="captured_within_amount"),
        CheckConstraint("(state = 'open') = (resolved_at IS NULL)", name="resolved_with_instant"),
        Index("holds_job_idx", "job_id"),
        Index("holds_open_idx", "account_id", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[Id]
    account_id: Mapped[UUID]
    key_id: Mapped[UUID]
    # Deferred, because a create holds before it writes the job: a refused hold then leaves nothing to take back.
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", deferrable=True, initially="DEFERRED"))
    service: Mapped[str]
    kind: Mapped[HoldKind]
    amount: Mapped[CreditsColumn]
    captured: Mapped[Decimal] = mapped_column(CREDITS, server_default="0")
    state: Mapped[HoldState] = mapped_column(server_default=HoldState.OPEN)
    created_at: Mapped[CreatedAt]
    resolved_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class AuditRun(Base):
    """One run of the audit by the clock, and how many rows broke a rule."""

    __tablename__ = "audit_runs"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    violations: Mapped[int]
    entries: Mapped[int] = mapped_column(BigInteger)
    at: Mapped[CreatedAt]


class LedgerEntry(Base):
    """One movement of an account's balance. Append-only: a trigger refuses UPDATE, DELETE and TRUNCATE."""

    __tablename__ = "ledger_entries"
    __table_args__ = (
        UniqueConstraint("account_id", "version", name="ledger_entries_account_version_key"),
        UniqueConstraint("hold_id", "kind", name="ledger_entries_hold_kind_key"),
        UniqueConstraint("key", name="ledger_entries_key_key"),
    )

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    version: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[EntryKind]
    amount: Mapped[CreditsColumn]
    balance_after: Mapped[CreditsColumn]
    hold_id: Mapped[UUID | None]
    job_id: Mapped[UUID | None]
    key: Mapped[str | None]
    service: Mapped[str | None]
    description: Mapped[str]
    created_at: Mapped[CreatedAt]

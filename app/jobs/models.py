"""Jobs, their attempts and their history. Postgres is the queue of record."""

from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    DateTime,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    SmallInteger,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from app.db.base import CREDITS, NEVER, Base, CreatedAt, CreditsColumn, Id
from app.jobs.states import AttemptOutcome, JobState

# A job that is ready to be sent waits in its account's line; every other live job waits for its next step.
WAITS_IN_LINE = text("state = 'queued' AND prepared")
WAITS_FOR_STEP = text("ended_at IS NULL AND NOT (state = 'queued' AND prepared)")


class Job(Base):
    """One accepted request. `state` is written by app.jobs.states alone."""

    __tablename__ = "jobs"
    __table_args__ = (
        Index("jobs_line_idx", "lane", "account_id", "created_at", postgresql_where=WAITS_IN_LINE),
        Index("jobs_due_idx", "lane", "next_step_at", postgresql_where=WAITS_FOR_STEP),
        Index("jobs_deadline_idx", "deadline_at", postgresql_where=text("ended_at IS NULL")),
        Index("jobs_ended_idx", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
        Index("jobs_account_idx", "account_id", "service", "id"),
        Index("jobs_flagged_idx", "id", postgresql_where=text("is_flagged")),
        {"postgresql_with": {"fillfactor": 70}},
    )

    id: Mapped[Id]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"))
    key_id: Mapped[UUID] = mapped_column(ForeignKey("api_keys.id"))
    service: Mapped[str]
    lane: Mapped[str]
    state: Mapped[JobState] = mapped_column(server_default=JobState.QUEUED)
    request: Mapped[dict[str, Any]] = mapped_column(JSONB)

    # The frozen price and the version of the rates that made it, and what the provider's list then said that it takes
    # for it, in its own unit
    credits: Mapped[CreditsColumn]
    rates_version: Mapped[int] = mapped_column(BigInteger)
    listed_cost: Mapped[Decimal | None] = mapped_column(CREDITS)
    credits_used: Mapped[Decimal] = mapped_column(CREDITS, server_default="0")

    # Whose turn it is: no step runs before `next_step_at`, nor while somebody's lease lasts
    prepared: Mapped[bool]
    next_step_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=func.now())
    lease_until: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NEVER)
    fence: Mapped[int] = mapped_column(BigInteger, server_default="0")
    woken_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NEVER)
    deadline_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    # What is known so far: the files behind the request's URLs, what upstream made, what the client gets
    inputs: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    outputs: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    result: Mapped[dict[str, Any]] = mapped_column(JSONB, server_default="{}")
    is_generating: Mapped[bool] = mapped_column(server_default=text("false"))
    progress: Mapped[int | None] = mapped_column(SmallInteger)
    tries: Mapped[int] = mapped_column(SmallInteger, server_default="0")
    message: Mapped[str | None]
    reason: Mapped[str | None]
    error: Mapped[str | None]
    is_flagged: Mapped[bool] = mapped_column(server_default=text("false"))

    created_at: Mapped[CreatedAt]
    ended_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class JobAttempt(Base):
    """One paid call to a provider, recorded before it is made.

    `secret_hash` is the SHA-256 of the secret in its callback address; `cost` is in the provider's own unit. A job of
    several calls names each by its `step` and keeps what it answered in `output`, so that a restart does not pay again.
    """

    __tablename__ = "job_attempts"
    __table_args__ = (
        UniqueConstraint("job_id", "number", name="job_attempts_job_number_key"),
        Index("job_attempts_budget_idx", "provider", "provider_key", "created_at"),
    )

    id: Mapped[Id]
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    number: Mapped[int] = mapped_column(SmallInteger)
    provider: Mapped[str]
    provider_key: Mapped[str]
    # By which of the provider's routes it was sent, and so must be asked about
    dialect: Mapped[str | None]
    secret_hash: Mapped[bytes | None] = mapped_column(LargeBinary, unique=True)
    task_id: Mapped[str | None]
    # What a callback claims the task id to be. Hearsay, until our own query of that task shows our secret.
    hinted_task_id: Mapped[str | None]
    step: Mapped[str | None]
    outcome: Mapped[AttemptOutcome] = mapped_column(server_default=AttemptOutcome.INTENDED)
    output: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    cost: Mapped[Decimal | None] = mapped_column(CREDITS)
    detail: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    answered_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))


class JobEvent(Base):
    """One move of one job."""

    __tablename__ = "job_events"
    __table_args__ = (Index("job_events_job_idx", "job_id", "id"),)

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id"))
    source: Mapped[JobState | None]
    target: Mapped[JobState]
    detail: Mapped[str | None]
    at: Mapped[CreatedAt]


class Turn(Base):
    """When an account was last served in a lane: those who waited longest come first."""

    __tablename__ = "turns"

    lane: Mapped[str] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    served_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class Lane(Base):
    """Where jobs wait: a provider's name, or `media`. Its row is the lane's lock, and paces its queries upstream."""

    __tablename__ = "lanes"

    lane: Mapped[str] = mapped_column(primary_key=True)
    query_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), server_default=NEVER)


class RestedKey(Base):
    """A provider's key that was refused, empty or over its cap: it is left alone until then."""

    __tablename__ = "rested_keys"

    provider: Mapped[str] = mapped_column(primary_key=True)
    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    rested_until: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class IdempotencyKey(Base):
    """What was answered to a request that carried an `Idempotency-Key` (design: kept 7 days)."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index("idempotency_keys_expires_idx", "expires_at"),)

    account_id: Mapped[UUID] = mapped_column(primary_key=True)
    route: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[bytes] = mapped_column(LargeBinary)
    job_id: Mapped[UUID | None]
    response: Mapped[dict[str, object] | None] = mapped_column(JSONB)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

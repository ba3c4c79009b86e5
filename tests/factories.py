"""Rows for tests, made by the functions that make them in earnest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from app import ledger
from app.accounts import keys
from app.db.engine import Database
from app.db.ids import new_id
from app.jobs import queries
from app.jobs.models import Job
from app.ledger import HoldKind
from app.services.accounts import create_key
from app.services.job_writer import Idempotency, JobWriter, NewJob


@dataclass(frozen=True)
class Tenant:
    """An account with one key."""

    account_id: UUID
    key_id: UUID


async def make_tenant(database: Database, credits: str = "100", *, credit_limit: str | None = None) -> Tenant:
    """An account with so many credits, and a key with a cap of its own if one is given."""
    async with database.transaction() as db:
        account = await keys.create_account(db, email=f"{new_id()}@example.org", name="Somebody")
        await ledger.open_account(db, account.id)
        key, _ = await keys.create_key(db, account.id, name="a key", scopes=keys.ALL_SERVICES)
        limit = None if credit_limit is None else Decimal(credit_limit)
        await ledger.open_key(db, key.id, credit_limit=limit)
        if Decimal(credits):
            await ledger.grant(db, account.id, credits=Decimal(credits), key="start", note="For the test")
    return Tenant(account.id, key.id)


async def make_key(
    database: Database, account_id: UUID, *, scopes: Sequence[str] = keys.ALL_SERVICES, addresses: Sequence[str] = (),
    credit_limit: str | None = None, expires_at: datetime | None = None, rate_per_minute: int | None = 100_000,
) -> str:
    """The secret of a new key. It may be used often, unless the test says otherwise."""
    async with database.transaction() as db:
        _, secret = await create_key(
            db, account_id, actor="test", name="a key", scopes=scopes, addresses=addresses, expires_at=expires_at,
            rate_per_minute=rate_per_minute, credit_limit=None if credit_limit is None else Decimal(credit_limit),
        )
    return secret


def new_job(
    tenant: Tenant, credits: str = "1", *, kind: HoldKind = HoldKind.VISIBLE, service: str = "text-to-image",
    idempotency: Idempotency | None = None,
) -> NewJob:
    """A request that was priced."""
    return NewJob(
        account_id=tenant.account_id, key_id=tenant.key_id, service=service, lane="kie", request={"prompt": "a boat"},
        credits=Decimal(credits), rates_version=0, hold_kind=kind, deadline_s=600, idempotency=idempotency,
    )


async def make_job(
    database: Database, tenant: Tenant, credits: str = "1", *, kind: HoldKind = HoldKind.VISIBLE
) -> Job:
    """A queued job with its hold."""
    writer = JobWriter(database)
    created = await writer.create(new_job(tenant, credits, kind=kind))
    await writer.close()
    async with database.statement() as db:
        return (await queries.load(db, [created.job_id]))[0]

"""What an operator sees: accounts with their money, keys with what they spent, jobs with all that is behind them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import ledger
from app.accounts import listing
from app.accounts.keys import get_account, get_key
from app.accounts.models import Account, ApiKey
from app.errors import NotFound
from app.jobs import queries
from app.jobs.listing import list_attempts
from app.jobs.models import Job, JobAttempt, JobEvent
from app.ledger import HoldView


@dataclass(frozen=True)
class AccountView:
    """An account and its money, in credits."""

    account_id: UUID
    email: str
    name: str
    credits_balance: Decimal
    available: Decimal
    created_at: datetime


@dataclass(frozen=True)
class KeyView:
    """A key without its secret: `hint` is how that begins. `spent` counts open holds and what was captured."""

    key_id: UUID
    account_id: UUID
    name: str
    hint: str
    scopes: Sequence[str]
    addresses: Sequence[str]
    rate_per_minute: int | None
    credit_limit: Decimal | None
    spent: Decimal
    expires_at: datetime | None
    revoked_at: datetime | None
    created_at: datetime


@dataclass(frozen=True)
class JobDossier:
    """A job, its moves, its paid calls and its holds."""

    job: Job
    events: Sequence[JobEvent]
    attempts: Sequence[JobAttempt]
    holds: Sequence[HoldView]


async def view_account(db: AsyncSession, account_id: UUID) -> AccountView:
    """The account. Raises NotFound."""
    return (await _with_money(db, [await get_account(db, account_id)]))[0]


async def list_accounts(
    db: AsyncSession, *, limit: int, before: UUID | None = None, email: str | None = None
) -> list[AccountView]:
    """A page of accounts, newest first; with `email` the one that has it."""
    return await _with_money(db, await listing.list_accounts(db, limit=limit, before=before, email=email))


async def _with_money(db: AsyncSession, accounts: Sequence[Account]) -> list[AccountView]:
    money = await ledger.find_balances(db, [account.id for account in accounts])
    return [
        AccountView(
            account_id=account.id, email=account.email, name=account.name,
            credits_balance=money[account.id].balance, available=money[account.id].available,
            created_at=account.created_at,
        )
        for account in accounts
    ]


async def view_key(db: AsyncSession, key_id: UUID) -> KeyView:
    """The key. Raises NotFound."""
    return (await _with_budgets(db, [await get_key(db, key_id)]))[0]


async def list_keys(db: AsyncSession, account_id: UUID, *, limit: int, before: UUID | None = None) -> list[KeyView]:
    """A page of an account's keys, newest first. Raises NotFound."""
    await get_account(db, account_id)
    return await _with_budgets(db, await listing.list_keys(db, account_id, limit=limit, before=before))


async def _with_budgets(db: AsyncSession, keys: Sequence[ApiKey]) -> list[KeyView]:
    budgets = await ledger.spent_by_keys(db, [key.id for key in keys])
    return [
        KeyView(
            key_id=key.id, account_id=key.account_id, name=key.name, hint=key.hint, scopes=key.scopes,
            addresses=key.addresses, rate_per_minute=key.rate_per_minute, credit_limit=budgets[key.id][1],
            spent=budgets[key.id][0], expires_at=key.expires_at, revoked_at=key.revoked_at, created_at=key.created_at,
        )
        for key in keys
    ]


async def view_job(db: AsyncSession, job_id: UUID) -> JobDossier:
    """The job of any account. Raises NotFound."""
    jobs = await queries.load(db, [job_id])
    if not jobs:
        raise NotFound("No such job")
    return JobDossier(
        job=jobs[0],
        events=await queries.list_events(db, job_id),
        attempts=await list_attempts(db, job_id),
        holds=await ledger.list_holds(db, job_id),
    )

"""Reading the book: balances, budgets, entries and holds as others may see them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import NotFound
from app.ledger.models import Balance, EntryKind, Hold, HoldKind, HoldState, KeyBudget, LedgerEntry


@dataclass(frozen=True)
class BalanceView:
    """What an account has, in credits: `balance` is what clients see, `available` what they can still spend."""

    balance: Decimal
    available: Decimal


@dataclass(frozen=True)
class EntryView:
    """One line of an account's history; `amount` is signed."""

    id: int
    account_id: UUID
    kind: EntryKind
    amount: Decimal
    balance_after: Decimal
    service: str | None
    job_id: UUID | None
    description: str
    created_at: datetime


@dataclass(frozen=True)
class Totals:
    """What all accounts have together, and what is set aside by open holds."""

    balance: Decimal
    available: Decimal
    held_visible: Decimal
    held_deferred: Decimal


@dataclass(frozen=True)
class HoldView:
    """Credits that were set aside for a job, and what became of them."""

    id: UUID
    kind: HoldKind
    state: HoldState
    amount: Decimal
    captured: Decimal
    created_at: datetime
    resolved_at: datetime | None


async def spent_by_keys(db: AsyncSession, key_ids: Sequence[UUID]) -> dict[UUID, tuple[Decimal, Decimal | None]]:
    """`(spent, credit_limit)` of each key, in credits."""
    rows = await db.execute(
        select(KeyBudget.key_id, KeyBudget.spent, KeyBudget.credit_limit).where(KeyBudget.key_id.in_(key_ids))
    )
    return {row.key_id: (row.spent, row.credit_limit) for row in rows}


async def find_balance(db: AsyncSession, account_id: UUID) -> BalanceView:
    """The account's balance now. Raises NotFound."""
    found = await find_balances(db, [account_id])
    if account_id not in found:
        raise NotFound("No such account")
    return found[account_id]


async def find_balances(db: AsyncSession, account_ids: Sequence[UUID]) -> dict[UUID, BalanceView]:
    """The balances of these accounts now."""
    rows = await db.execute(
        select(Balance.account_id, Balance.balance, Balance.available).where(Balance.account_id.in_(account_ids))
    )
    return {row.account_id: BalanceView(row.balance, row.available) for row in rows}


async def add_up(db: AsyncSession) -> Totals:
    """The sums over all accounts."""
    money = (await db.execute(select(func.sum(Balance.balance), func.sum(Balance.available)))).one()
    held = await db.execute(
        select(Hold.kind, func.sum(Hold.amount)).where(Hold.state == HoldState.OPEN).group_by(Hold.kind)
    )
    by_kind = {row[0]: row[1] for row in held}
    return Totals(
        balance=money[0] or Decimal(0), available=money[1] or Decimal(0),
        held_visible=by_kind.get(HoldKind.VISIBLE, Decimal(0)),
        held_deferred=by_kind.get(HoldKind.DEFERRED, Decimal(0)),
    )


async def list_entries(
    db: AsyncSession, account_id: UUID | None, *, limit: int, before: int | None = None
) -> list[EntryView]:
    """Entries, newest first; `before` is the id after which the page begins."""
    query = select(LedgerEntry).limit(limit)
    if account_id is None:
        query = query.order_by(LedgerEntry.id.desc())
        if before is not None:
            query = query.where(LedgerEntry.id < before)
    else:
        # An account's versions run with its ids, and have the index.
        query = query.where(LedgerEntry.account_id == account_id).order_by(LedgerEntry.version.desc())
        if before is not None:
            last = select(LedgerEntry.version).where(LedgerEntry.id == before, LedgerEntry.account_id == account_id)
            query = query.where(LedgerEntry.version < last.scalar_subquery())
    return [entry_view(entry) for entry in await db.scalars(query)]


def entry_view(entry: LedgerEntry) -> EntryView:
    """An entry as others see it."""
    return EntryView(
        id=entry.id, account_id=entry.account_id, kind=entry.kind, amount=entry.amount,
        balance_after=entry.balance_after, service=entry.service, job_id=entry.job_id,
        description=entry.description, created_at=entry.created_at,
    )


async def list_holds(db: AsyncSession, job_id: UUID) -> list[HoldView]:
    """What was held for the job, oldest first."""
    rows = await db.scalars(select(Hold).where(Hold.job_id == job_id).order_by(Hold.id))
    return [
        HoldView(
            id=hold.id, kind=hold.kind, state=hold.state, amount=hold.amount, captured=hold.captured,
            created_at=hold.created_at, resolved_at=hold.resolved_at,
        )
        for hold in rows
    ]

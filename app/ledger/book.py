"""Moving credits. Every function works inside its caller's transaction and commits nothing.

Locks are taken in one order everywhere: the job's row (by the caller), its holds, the balance, the key's budget.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from uuid import UUID

from sqlalchemy import insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.ids import new_id
from app.errors import InsufficientCredits, Invalid, NotFound
from app.ledger.models import Balance, EntryKind, Hold, HoldKind, HoldState, KeyBudget, LedgerEntry
from app.ledger.reading import EntryView, entry_view, find_balance, spent_by_keys

ZERO = Decimal(0)
# The column's precision. Money never has more places, so that what is added up is what is stored.
PLACES = Decimal("1e-9")
# No operator's entry lifts a balance above this; the column takes ten times as much, so that refunds always fit.
BALANCE_MOST = Decimal(10_000_000_000)


@dataclass(frozen=True)
class Adjustment:
    """An operator's entry. `is_replay`: it was made before, under the same key."""

    entry: EntryView
    is_replay: bool


async def open_account(db: AsyncSession, account_id: UUID) -> None:
    """Begin an account's book at zero."""
    await db.execute(insert(Balance).values(account_id=account_id))


async def open_key(db: AsyncSession, key_id: UUID, *, credit_limit: Decimal | None) -> None:
    """Begin a key's budget; `credit_limit` None is no cap of its own."""
    await db.execute(insert(KeyBudget).values(key_id=key_id, credit_limit=credit_limit))


async def set_key_limit(db: AsyncSession, key_id: UUID, *, credit_limit: Decimal | None) -> None:
    """Change a key's cap. What it has spent stays counted."""
    await db.execute(update(KeyBudget).where(KeyBudget.key_id == key_id).values(credit_limit=credit_limit))


async def grant(db: AsyncSession, account_id: UUID, *, credits: Decimal, key: str, note: str) -> Adjustment:
    """Add credits. The same `key` adds them once: asked again, the first entry is the answer.

    Raises NotFound, and Invalid for an amount that is not above zero or a key that stands for another grant.
    """
    if _exact(credits) <= 0:
        raise Invalid("credits must be more than 0")
    return await _adjust(db, account_id, EntryKind.TOPUP, credits, key=key, note=note)


async def correct(db: AsyncSession, account_id: UUID, *, credits: Decimal, key: str, note: str) -> Adjustment:
    """Set a mistake right by an entry of its own; `credits` is signed. The same `key` does it once, as in `grant`.

    Raises NotFound, Invalid, and InsufficientCredits for more than is available.
    """
    if _exact(credits) == 0:
        raise Invalid("credits must not be 0")
    return await _adjust(db, account_id, EntryKind.CORRECTION, credits, key=key, note=note)


async def _adjust(
    db: AsyncSession, account_id: UUID, kind: EntryKind, credits: Decimal, *, key: str, note: str
) -> Adjustment:
    credits = _exact(credits)
    key = f"{kind}:{account_id}:{key}"
    # Whoever asks twice at once waits here, and then finds the first one's entry.
    balance = await _lock_balance(db, account_id)
    made = await db.scalar(select(LedgerEntry).where(LedgerEntry.key == key))
    if made is not None:
        if (made.amount, made.description) != (credits, note):
            raise Invalid("This Idempotency-Key was used with another body", code="idempotency_key_reused")
        return Adjustment(entry_view(made), is_replay=True)
    if balance + credits > BALANCE_MOST:
        raise Invalid(f"An account holds at most {BALANCE_MOST:,} credits")
    moved = await _move_balance(db, account_id, balance=credits, available=credits)
    entry = insert(LedgerEntry).values(
        account_id=account_id, version=moved.version, kind=kind, amount=credits, balance_after=moved.balance, key=key,
        description=note,
    )
    return Adjustment(entry_view((await db.scalars(entry.returning(LedgerEntry))).one()), is_replay=False)


async def _lock_balance(db: AsyncSession, account_id: UUID) -> Decimal:
    query = select(Balance.balance).where(Balance.account_id == account_id).with_for_update(key_share=True)
    balance = await db.scalar(query)
    if balance is None:
        raise NotFound("No such account")
    return balance


def _exact(credits: Decimal) -> Decimal:
    return credits.quantize(PLACES, rounding=ROUND_HALF_UP)


async def hold_more(
    db: AsyncSession, *, account_id: UUID, key_id: UUID, job_id: UUID, service: str, kind: HoldKind, credits: Decimal
) -> None:
    """Hold further credits for a job that exists. Raises InsufficientCredits."""
    await _lock_balance(db, account_id)
    outcome = await db.scalar(
        text("SELECT ledger_hold(:account, :key, :job, :hold, :kind, :credits, :service)"),
        {"account": account_id, "key": key_id, "job": job_id, "hold": new_id(), "kind": kind, "credits": credits,
         "service": service},
    )
    if outcome != "held":
        raise await shortage(db, account_id, key_id, required=credits)


async def shortage(db: AsyncSession, account_id: UUID, key_id: UUID, *, required: Decimal) -> InsufficientCredits:
    """The refusal for a hold that the account or the key's own cap cannot pay."""
    balance = (await find_balance(db, account_id)).balance
    return InsufficientCredits(required, await find_affordable(db, account_id, key_id), balance)


async def find_affordable(db: AsyncSession, account_id: UUID, key_id: UUID) -> Decimal:
    """What can be held now: what the account has available, or what the key's own cap leaves of it."""
    available = (await find_balance(db, account_id)).available
    spent, limit = (await spent_by_keys(db, [key_id]))[key_id]
    return available if limit is None else min(available, max(limit - spent, ZERO))


async def capture(db: AsyncSession, job_id: UUID, *, credits: Decimal | None = None) -> Decimal:
    """Keep `credits` of what is held for the job (all of it by default) and give the rest back.

    Answers what was kept: never more than was held. Holds that are resolved already are left alone.
    """
    kept = ZERO
    wanted = None if credits is None else _exact(credits)
    for hold in await _open_holds(db, job_id):
        part = hold.amount if wanted is None else min(hold.amount, wanted - kept)
        await _resolve(db, hold, HoldState.CAPTURED, captured=part)
        kept += part
    return kept


async def release(db: AsyncSession, job_id: UUID) -> Decimal:
    """Give back all that is held for the job. Answers how much that was; a second call gives back nothing."""
    returned = ZERO
    for hold in await _open_holds(db, job_id):
        await _resolve(db, hold, HoldState.RELEASED, captured=ZERO)
        returned += hold.amount
    return returned


async def _open_holds(db: AsyncSession, job_id: UUID) -> Sequence[Hold]:
    query = select(Hold).where(Hold.job_id == job_id, Hold.state == HoldState.OPEN).order_by(Hold.id).with_for_update()
    return (await db.scalars(query.execution_options(populate_existing=True))).all()


async def _resolve(db: AsyncSession, hold: Hold, state: HoldState, *, captured: Decimal) -> None:
    """By the same SQL function that ends calls: there is one way out of a hold."""
    values = {"hold": hold.id, "state": state, "captured": captured}
    await db.execute(text("SELECT ledger_resolve(:hold, :state, :captured)"), values)


@dataclass(frozen=True)
class _Moved:
    balance: Decimal
    available: Decimal
    version: int


async def _move_balance(db: AsyncSession, account_id: UUID, *, balance: Decimal, available: Decimal) -> _Moved:
    moved = (
        await db.execute(
            update(Balance)
            .where(Balance.account_id == account_id, Balance.available + available >= 0)
            .values(balance=Balance.balance + balance, available=Balance.available + available,
                    version=Balance.version + 1)
            .returning(Balance.balance, Balance.available, Balance.version)
        )
    ).one_or_none()
    if moved is None:
        view = await find_balance(db, account_id)
        raise InsufficientCredits(-available, view.available, view.balance)
    return _Moved(balance=moved.balance, available=moved.available, version=moved.version)

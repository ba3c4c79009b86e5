"""Acts of an operator on accounts and keys: the accounts' side, the ledger's side and the record of the act, together.

`actor` is who did it: an admin key's id, or the program's name (`cli`, `phaya up`).
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import ledger
from app.accounts import keys
from app.accounts.keys import record_act
from app.accounts.models import Account, ApiKey
from app.catalog.loader import load_catalog
from app.errors import Invalid
from app.ledger import Adjustment

SCOPES_BESIDE_SERVICES = frozenset({"image", "video", "audio", "llm", "media", "account:read", "admin"})


def known_scopes() -> frozenset[str]:
    """Every scope that a key may carry: groups, service ids, and the two that are no service."""
    return SCOPES_BESIDE_SERVICES | load_catalog().keys()


async def create_account(db: AsyncSession, *, actor: str, email: str, name: str) -> Account:
    """Make an account with an empty book. Raises Conflict if the e-mail is taken."""
    account = await keys.create_account(db, email=email, name=name)
    await ledger.open_account(db, account.id)
    await record_act(db, actor=actor, act="account.create", subject=account.id, detail={"email": email, "name": name})
    return account


async def create_key(
    db: AsyncSession,
    account_id: UUID,
    *,
    actor: str,
    name: str,
    scopes: Sequence[str],
    credit_limit: Decimal | None = None,
    addresses: Sequence[str] = (),
    rate_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key and its budget. The secret in the answer is shown once. Raises NotFound, Invalid."""
    if unknown := sorted(set(scopes) - known_scopes()):
        raise Invalid(f"Unknown scope {unknown[0]!r}: known are {', '.join(sorted(known_scopes()))}")
    if credit_limit is not None and credit_limit < 0:
        raise Invalid("credit_limit must not be negative")
    key, secret = await keys.create_key(
        db, account_id, name=name, scopes=scopes, addresses=addresses, rate_per_minute=rate_per_minute,
        expires_at=expires_at,
    )
    await ledger.open_key(db, key.id, credit_limit=credit_limit)
    limits = {"credit_limit": credit_limit, "addresses": list(addresses), "rate_per_minute": rate_per_minute,
              "expires_at": expires_at}
    await record_act(
        db, actor=actor, act="key.create", subject=key.id,
        detail={"account_id": account_id, "name": name, "scopes": list(scopes)} | limits,
    )
    return key, secret


async def revoke_key(db: AsyncSession, key_id: UUID, *, actor: str) -> ApiKey:
    """Revoke a key for good; it is refused everywhere within a second. Raises NotFound."""
    is_new = await keys.revoke_key(db, key_id)
    key = await keys.get_key(db, key_id)
    if is_new:
        await record_act(db, actor=actor, act="key.revoke", subject=key.id, detail={"account_id": key.account_id})
    return key


async def grant(
    db: AsyncSession, account_id: UUID, *, actor: str, credits: Decimal, note: str, key: str
) -> Adjustment:
    """Add credits to an account; the same `key` adds them once. Raises NotFound, Invalid."""
    made = await ledger.grant(db, account_id, credits=credits, key=key, note=note)
    await _record_adjustment(db, made, actor=actor, act="credits.grant")
    return made


async def correct(
    db: AsyncSession, account_id: UUID, *, actor: str, credits: Decimal, note: str, key: str
) -> Adjustment:
    """Set a mistake right by a signed entry; the same `key` does it once.

    Raises NotFound, Invalid, and InsufficientCredits for more than is available.
    """
    made = await ledger.correct(db, account_id, credits=credits, key=key, note=note)
    await _record_adjustment(db, made, actor=actor, act="credits.correct")
    return made


async def _record_adjustment(db: AsyncSession, made: Adjustment, *, actor: str, act: str) -> None:
    if made.is_replay:
        return
    entry = made.entry
    detail = {"credits": entry.amount, "note": entry.description, "entry_id": entry.id}
    await record_act(db, actor=actor, act=act, subject=entry.account_id, detail=detail)

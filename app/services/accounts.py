"""Opening accounts and keys, granting credits: the accounts' side and the ledger's side in one transaction."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import ledger
from app.accounts import keys
from app.accounts.models import Account, ApiKey
from app.catalog.loader import load_catalog
from app.errors import Invalid
from app.ledger import BalanceView

SCOPES_BESIDE_SERVICES = frozenset({"image", "video", "audio", "llm", "media", "account:read", "admin"})


def known_scopes() -> frozenset[str]:
    """Every scope that a key may carry: groups, service ids, and the two that are no service."""
    return SCOPES_BESIDE_SERVICES | load_catalog().keys()


async def create_account(db: AsyncSession, *, email: str, name: str) -> Account:
    """Make an account with an empty book. Raises Conflict if the e-mail is taken."""
    account = await keys.create_account(db, email=email, name=name)
    await ledger.open_account(db, account.id)
    return account


async def create_key(
    db: AsyncSession,
    account_id: UUID,
    *,
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
    return key, secret


async def grant(db: AsyncSession, account_id: UUID, *, credits: Decimal, note: str, key: str) -> BalanceView:
    """Add credits to an account; the same `key` adds them once. Raises NotFound, Invalid, Conflict."""
    await keys.get_account(db, account_id)
    return await ledger.grant(db, account_id, credits=credits, key=f"grant:{key}", note=note)

"""Acts of an operator on accounts and keys: the accounts' side, the ledger's side and the record of the act, together.

`actor` is who did it: an admin key's id, or the program's name (`cli`, `phaya up`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app import ledger
from app.accounts import keys
from app.accounts.keys import record_act
from app.accounts.models import Account, ApiKey
from app.catalog.language.prices import PRICE_LISTS
from app.catalog.loader import load_catalog
from app.errors import Invalid
from app.ledger import Adjustment

SCOPES_BESIDE_SERVICES = frozenset({"image", "video", "audio", "llm", "media", "account:read", "admin"})


def known_scopes() -> frozenset[str]:
    """Every scope that a key may carry: groups, service ids, and the two that are no service."""
    return SCOPES_BESIDE_SERVICES | load_catalog().keys() | PRICE_LISTS.keys()


async def create_account(db: AsyncSession, *, actor: str, email: str, name: str) -> Account:
    """Make an account with an empty book. Raises Conflict if the e-mail is taken."""
    account = await keys.create_account(db, email=email, name=name)
    await ledger.open_account(db, account.id)
    await record_act(db, actor=actor, act="account.create", subject=account.id, detail={"email": email, "name": name})
    return account


@dataclass(frozen=True)
class KeyLimits:
    """What a key may do. Scopes are service ids, groups, `account:read`, `admin`; None and no addresses are no limit.

    `credit_limit` is the key's own cap in credits, `rate_per_minute` replaces the default rate, `addresses` are single
    ones and networks.
    """

    name: str
    scopes: Sequence[str]
    credit_limit: Decimal | None = None
    addresses: Sequence[str] = ()
    rate_per_minute: int | None = None
    expires_at: datetime | None = None

    def __post_init__(self) -> None:
        """Raises Invalid, with the field."""
        if unknown := sorted(set(self.scopes) - known_scopes()):
            raise Invalid.at("scopes", f"unknown scope {unknown[0]!r}: known are {', '.join(sorted(known_scopes()))}")
        if self.credit_limit is not None and self.credit_limit < 0:
            raise Invalid.at("credit_limit", "must not be negative")
        if self.rate_per_minute is not None and self.rate_per_minute < 1:
            raise Invalid.at("rate_per_minute", "must be at least 1")
        try:
            keys.parse_networks(self.addresses)
        except ValueError as error:
            raise Invalid.at("addresses", str(error)) from error

    @property
    def columns(self) -> dict[str, Any]:
        """What is kept with the key itself; the cap is the ledger's."""
        return {"name": self.name, "scopes": list(self.scopes), "addresses": list(self.addresses),
                "rate_per_minute": self.rate_per_minute, "expires_at": self.expires_at}


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
    limits = KeyLimits(name, scopes, credit_limit, addresses, rate_per_minute, expires_at)
    key, secret = await keys.create_key(db, account_id, **limits.columns)
    await ledger.open_key(db, key.id, credit_limit=limits.credit_limit)
    detail = {"account_id": account_id, "credit_limit": limits.credit_limit} | limits.columns
    await record_act(db, actor=actor, act="key.create", subject=key.id, detail=detail)
    return key, secret


async def change_key(
    db: AsyncSession, key_id: UUID, change: Callable[[KeyLimits], KeyLimits], *, actor: str
) -> None:
    """Put other limits on a key, in force everywhere within a second; what it has spent stays counted.

    Raises NotFound, Invalid.
    """
    key = await keys.lock_key(db, key_id)
    _, credit_limit = (await ledger.spent_by_keys(db, [key_id]))[key_id]
    old = KeyLimits(key.name, key.scopes, credit_limit, key.addresses, key.rate_per_minute, key.expires_at)
    new = change(old)
    await keys.change_key(db, key_id, **new.columns)
    await ledger.set_key_limit(db, key_id, credit_limit=new.credit_limit)
    changed = {name: value for name, value in vars(new).items() if value != getattr(old, name)}
    await record_act(db, actor=actor, act="key.change", subject=key_id, detail=changed)


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

"""API keys: made once, kept as a hash, checked whole."""

import hashlib
import math
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from uuid import UUID

from sqlalchemy import func, insert, select, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.models import Account, AdminAct, ApiKey
from app.db.ids import new_id
from app.errors import Conflict, NotFound

ALPHABET = string.ascii_letters + string.digits
# A whole account: every service group, and reading the account itself.
ALL_SERVICES = ("image", "video", "audio", "llm", "media", "account:read")


@dataclass(frozen=True)
class KeyRecord:
    """What a request needs to know of a usable key. Scopes are service ids, groups, `account:read` and `admin`.

    It expires `lives_s` seconds after it was read.
    """

    id: UUID
    account_id: UUID
    scopes: frozenset[str]
    networks: tuple[IPv4Network | IPv6Network, ...]
    rate_per_minute: int | None
    lives_s: float = math.inf

    def admits(self, address: str | None) -> bool:
        """Whether the key may be used from this address; without a list it may be used from everywhere."""
        if not self.networks:
            return True
        try:
            caller = ip_address(address or "")
        except ValueError:
            return False
        # A server that listens on IPv6 sees callers of IPv4 in this disguise.
        caller = getattr(caller, "ipv4_mapped", None) or caller
        return any(caller in network for network in self.networks)


def hash_secret(secret: str) -> bytes:
    """What we keep of a key. The secret has 285 bits of its own, so a plain SHA-256 is enough."""
    return hashlib.sha256(secret.encode()).digest()


def parse_networks(addresses: Iterable[str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """Addresses and networks in CIDR notation. Raises ValueError."""
    return tuple(ip_network(address, strict=False) for address in addresses)


async def create_account(db: AsyncSession, *, email: str, name: str) -> Account:
    """Make an account. Raises Conflict if the e-mail is taken."""
    row = upsert(Account).values(id=new_id(), email=email, name=name).on_conflict_do_nothing()
    account = (await db.scalars(row.returning(Account))).one_or_none()
    if account is None:
        raise Conflict("An account with this email exists")
    return account


async def get_account(db: AsyncSession, account_id: UUID) -> Account:
    """The account. Raises NotFound."""
    account = await db.get(Account, account_id)
    if account is None:
        raise NotFound("No such account")
    return account


async def create_key(
    db: AsyncSession,
    account_id: UUID,
    *,
    name: str,
    scopes: Sequence[str],
    addresses: Sequence[str] = (),
    rate_per_minute: int | None = None,
    expires_at: datetime | None = None,
) -> tuple[ApiKey, str]:
    """Make a key; the secret (`pk_` and 48 letters and digits) is in the answer and nowhere else. Raises NotFound."""
    await get_account(db, account_id)
    secret = "pk_" + "".join(secrets.choice(ALPHABET) for _ in range(48))
    key = ApiKey(
        id=new_id(), account_id=account_id, name=name, secret_hash=hash_secret(secret), hint=secret[:7],
        scopes=list(scopes), addresses=list(addresses), rate_per_minute=rate_per_minute, expires_at=expires_at,
    )
    db.add(key)
    await db.flush()
    return key, secret


async def revoke_key(db: AsyncSession, key_id: UUID) -> bool:
    """Revoke a key for good. False if it was revoked before, or never was."""
    live = update(ApiKey).where(ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
    revoked = await db.scalar(live.values(revoked_at=func.now()).returning(ApiKey.id))
    return revoked is not None


async def lock_key(db: AsyncSession, key_id: UUID) -> ApiKey:
    """The key as it stands, not to be changed by others until the transaction ends. Raises NotFound."""
    key = await db.get(ApiKey, key_id, populate_existing=True, with_for_update={"key_share": True})
    if key is None:
        raise NotFound("No such key")
    return key


async def change_key(db: AsyncSession, key_id: UUID, **columns: object) -> None:
    """Set columns of a key."""
    await db.execute(update(ApiKey).where(ApiKey.id == key_id).values(**columns))


async def get_key(db: AsyncSession, key_id: UUID) -> ApiKey:
    """The key. Raises NotFound."""
    key = await db.get(ApiKey, key_id, populate_existing=True)
    if key is None:
        raise NotFound("No such key")
    return key


async def find_keys(db: AsyncSession, hashes: Sequence[bytes]) -> dict[bytes, KeyRecord]:
    """The usable keys of these hashes: neither revoked nor, by Postgres' clock, expired."""
    lives_s = func.coalesce(func.extract("epoch", ApiKey.expires_at - func.now()), math.inf)
    query = select(ApiKey, lives_s).where(ApiKey.secret_hash.in_(hashes), ApiKey.revoked_at.is_(None), lives_s > 0)
    return {
        row.secret_hash: KeyRecord(
            id=row.id, account_id=row.account_id, scopes=frozenset(row.scopes),
            networks=parse_networks(row.addresses), rate_per_minute=row.rate_per_minute, lives_s=float(lives),
        )
        for row, lives in await db.execute(query)
    }


async def record_act(
    db: AsyncSession, *, actor: str, act: str, subject: UUID | str, detail: Mapping[str, object]
) -> None:
    """Write down what an admin did, in the transaction that does it."""
    await db.execute(insert(AdminAct).values(actor=actor, act=act, subject=str(subject), detail=dict(detail)))

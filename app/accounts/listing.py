"""Pages of accounts, keys and acts, newest first. `before` is the id after which a page begins."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.models import Account, AdminAct, ApiKey


async def list_accounts(
    db: AsyncSession, *, limit: int, before: UUID | None = None, email: str | None = None
) -> Sequence[Account]:
    """Accounts; with `email` the one that has it."""
    query = select(Account).order_by(Account.id.desc()).limit(limit)
    if before is not None:
        query = query.where(Account.id < before)
    if email is not None:
        query = query.where(Account.email == email)
    return (await db.scalars(query)).all()


async def list_keys(
    db: AsyncSession, account_id: UUID, *, limit: int, before: UUID | None = None
) -> Sequence[ApiKey]:
    """Keys of an account, revoked and expired ones too."""
    query = select(ApiKey).where(ApiKey.account_id == account_id).order_by(ApiKey.id.desc()).limit(limit)
    if before is not None:
        query = query.where(ApiKey.id < before)
    return (await db.scalars(query)).all()


async def list_acts(db: AsyncSession, *, limit: int, before: int | None = None) -> Sequence[AdminAct]:
    """What admins did."""
    query = select(AdminAct).order_by(AdminAct.id.desc()).limit(limit)
    if before is not None:
        query = query.where(AdminAct.id < before)
    return (await db.scalars(query)).all()

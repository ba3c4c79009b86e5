"""What `phaya up` puts into a database of its own: the schema, an admin key, and a demo account with credits.

`python -m app.embedded.seed FOLDER` does it as a process of its own, so that the supervisor stays small.
"""

import asyncio
import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from app.accounts.keys import ALL_SERVICES, find_keys, hash_secret
from app.accounts.models import Account
from app.config import Settings, get_settings
from app.db.engine import Database
from app.db.migrate import upgrade
from app.embedded.folder import Keys, read_keys, write_keys
from app.services.accounts import create_account, create_key, grant

ADMIN_EMAIL = "admin@localhost"
DEMO_EMAIL = "demo@localhost"
DEMO_CREDITS = Decimal(10_000)
ACTOR = "phaya up"


async def prepare_database(settings: Settings, folder: Path) -> None:
    """Migrate, and make the keys unless those in the folder are good."""
    await upgrade(str(settings.database_owner_url), str(settings.database_url))
    database = Database(settings)
    try:
        async with database.transaction() as db:
            if await _are_good(db, read_keys(folder)):
                return
            keys = Keys(
                admin_key=await _make_key(db, ADMIN_EMAIL, ("admin",)),
                demo_key=await _make_key(db, DEMO_EMAIL, ALL_SERVICES),
            )
        write_keys(folder, keys)
    finally:
        await database.close()


async def _are_good(db: AsyncSession, keys: Keys | None) -> bool:
    hashes = [hash_secret(key) for key in (keys.admin_key, keys.demo_key)] if keys else []
    found = await find_keys(db, hashes)
    return bool(hashes) and all(hash_ in found for hash_ in hashes)


async def _make_key(db: AsyncSession, email: str, scopes: Sequence[str]) -> str:
    account_id = await db.scalar(select(Account.id).where(Account.email == email))
    if account_id is None:
        name = email.partition("@")[0].capitalize()
        account_id = (await create_account(db, actor=ACTOR, email=email, name=name)).id
        if email == DEMO_EMAIL:
            await grant(db, account_id, actor=ACTOR, credits=DEMO_CREDITS, note="To try it out", key="demo")
    _, secret = await create_key(db, account_id, actor=ACTOR, name=ACTOR, scopes=scopes)
    return secret


if __name__ == "__main__":
    asyncio.run(prepare_database(get_settings(), Path(sys.argv[1])))

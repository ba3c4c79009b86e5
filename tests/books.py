"""What an account has, for tests."""

from decimal import Decimal

from app import ledger
from app.db.engine import Database
from app.ledger import BalanceView
from tests.factories import Tenant


def view(balance: str, available: str | None = None) -> BalanceView:
    return BalanceView(balance=Decimal(balance), available=Decimal(available or balance))


async def balance_of(database: Database, tenant: Tenant) -> BalanceView:
    async with database.statement() as db:
        return await ledger.find_balance(db, tenant.account_id)


async def spent_by(database: Database, tenant: Tenant) -> Decimal:
    async with database.statement() as db:
        return (await ledger.spent_by_keys(db, [tenant.key_id]))[tenant.key_id][0]

"""The ledger's audit on one snapshot of the database, while jobs go on."""

from sqlalchemy import text

from app.db.engine import Database
from app.ledger import AuditReport, audit

# It reads every entry that there ever was.
WITHIN = "10min"


async def audit_ledger(database: Database) -> AuditReport:
    """Run every rule at one moment. It blocks nobody."""
    async with database.transaction() as db:
        await db.connection(execution_options={"isolation_level": "REPEATABLE READ"})
        await db.execute(text(f"SET LOCAL statement_timeout = '{WITHIN}'"))
        return await audit(db)

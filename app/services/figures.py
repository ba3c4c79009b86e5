"""The figures that the database knows: the same whichever process is asked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from app import ledger
from app.db.engine import Database
from app.jobs import counting
from app.jobs.counting import LiveJobs
from app.ledger import AuditRunView, Totals


@dataclass(frozen=True)
class Figures:
    """How queue and money stand."""

    live: Sequence[LiveJobs]
    flagged: int
    resting_keys: Mapping[str, int]
    credits: Totals
    last_audit: AuditRunView | None


async def read_figures(database: Database) -> Figures:
    """The figures now."""
    async with database.statement() as db:
        return Figures(
            live=await counting.count_live(db),
            flagged=await counting.count_flagged(db),
            resting_keys=await counting.count_resting(db),
            credits=await ledger.add_up(db),
            last_audit=await ledger.find_last_audit(db),
        )

"""What Postgres itself saw of the jobs: every claim, move and release, by whom, and under which fence.

A trigger of the run's own writes it. Connections name their process (app.db.engine), so the writer is known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.engine import process_name

INSTALL = (
    """
    CREATE TABLE torture_writes (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, at timestamptz NOT NULL DEFAULT clock_timestamp(),
        job_id uuid NOT NULL, writer text NOT NULL, source text, target text NOT NULL,
        fence_before bigint NOT NULL, fence bigint NOT NULL, was_leased boolean NOT NULL, is_leased boolean NOT NULL)
    """,
    """
    CREATE FUNCTION torture_write() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
    BEGIN
        INSERT INTO torture_writes (job_id, writer, source, target, fence_before, fence, was_leased, is_leased)
        VALUES (NEW.id, current_setting('application_name'), OLD.state, NEW.state, coalesce(OLD.fence, 0), NEW.fence,
                coalesce(OLD.lease_until > clock_timestamp(), false),
                NEW.ended_at IS NULL AND NEW.lease_until > clock_timestamp());
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER torture_insert AFTER INSERT ON jobs FOR EACH ROW EXECUTE FUNCTION torture_write()",
    """
    CREATE TRIGGER torture_update AFTER UPDATE OF state, fence, lease_until ON jobs
    FOR EACH ROW EXECUTE FUNCTION torture_write()
    """,
)
READ = """
SELECT at, job_id, writer, source, target, fence_before, fence, was_leased, is_leased FROM torture_writes ORDER BY id
"""


@dataclass(frozen=True, slots=True)
class Write:
    """One write to a job's row. `was_leased`: at that moment somebody's lease had not run out."""

    at: datetime
    job_id: UUID
    writer: str
    source: str | None
    target: str
    fence_before: int
    fence: int
    was_leased: bool
    is_leased: bool

    @property
    def is_claim(self) -> bool:
        return self.is_leased and self.fence != self.fence_before


async def install(db: AsyncSession) -> None:
    """Begin to write. As the owner of the schema."""
    for statement in INSTALL:
        await db.execute(text(statement))


async def read(db: AsyncSession) -> list[Write]:
    """All writes, in the order in which they were made."""
    return [Write(*row) for row in await db.execute(text(READ))]


def intrusions(writes: Sequence[Write]) -> Iterator[Write]:
    """Writes to a job under a lease by a process that does not hold it. Only its owner's cancel may do that."""
    holders: dict[UUID, str] = {}
    for write in writes:
        holder = holders.get(write.job_id)
        if write.was_leased and holder not in (None, write.writer) and write.target != "cancelled":
            yield write
        if write.is_claim:
            holders[write.job_id] = write.writer
        elif not write.is_leased:
            holders.pop(write.job_id, None)


def resumed_after_s(writes: Sequence[Write], pid: int, died_at: datetime) -> dict[UUID, float]:
    """For each job that the process held when it died, the seconds until somebody else went on with it."""
    held: set[UUID] = set()
    found: dict[UUID, float] = {}
    for write in writes:
        if write.at <= died_at:
            if write.is_claim and write.writer == process_name(pid):
                held.add(write.job_id)
            elif write.is_claim or not write.is_leased:
                held.discard(write.job_id)
        elif write.job_id in held:
            held.discard(write.job_id)
            found[write.job_id] = (write.at - died_at).total_seconds()
    return found

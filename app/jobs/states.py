"""The one state machine.

    queued ─► submitting ─► running ─► storing ─► succeeded
                  │            ▲
                  └► unclear ──┘         ends: succeeded, failed, cancelled

`unclear`: a paid request was sent and nobody knows whether it was taken. It is never sent again by itself.
"""

from enum import StrEnum
from typing import cast
from uuid import UUID

from sqlalchemy import CursorResult, text
from sqlalchemy.ext.asyncio import AsyncSession


class JobState(StrEnum):
    """Where a job stands. How this reads to a client is its service's vocabulary (app.catalog.model)."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RUNNING = "running"
    STORING = "storing"
    UNCLEAR = "unclear"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class AttemptOutcome(StrEnum):
    """What became of one paid call."""

    INTENDED = "intended"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    LOST = "lost"
    DONE = "done"
    FAILED = "failed"


S = JobState

ENDS = frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED})

ALLOWED: dict[JobState, frozenset[JobState]] = {
    # Local work has no submit: it runs at once.
    S.QUEUED: frozenset({S.SUBMITTING, S.RUNNING, S.FAILED, S.CANCELLED}),
    # Back to the queue only when the provider says that it did not take the request.
    S.SUBMITTING: frozenset({S.QUEUED, S.RUNNING, S.STORING, S.UNCLEAR, S.FAILED, S.CANCELLED}),
    S.UNCLEAR: frozenset({S.RUNNING, S.FAILED, S.CANCELLED}),
    S.RUNNING: frozenset({S.STORING, S.FAILED, S.CANCELLED}),
    S.STORING: frozenset({S.SUCCEEDED, S.FAILED, S.CANCELLED}),
    S.SUCCEEDED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}


class IllegalMove(Exception):
    """The table of legal moves has no such move: a mistake in our code."""


class LeaseLost(Exception):
    """Somebody else has the job now, or it has ended: the step must change nothing more."""


MOVE = text("""
WITH moved AS (
    UPDATE jobs
       SET state = :target,
           ended_at = CASE WHEN :ends THEN now() ELSE ended_at END
     WHERE id = :job_id AND state = :source AND (CAST(:fence AS bigint) IS NULL OR fence = :fence)
    RETURNING id
)
INSERT INTO job_events (job_id, source, target, detail)
SELECT id, :source, :target, :detail FROM moved
""")


async def move(
    db: AsyncSession,
    job_id: UUID,
    *,
    source: JobState,
    target: JobState,
    fence: int | None = None,
    detail: str | None = None,
) -> bool:
    """Take the job from `source` to `target` and write the event.

    False if somebody else moved it first, or if `fence` is no longer the job's: the caller's lease was lost, and it
    must change nothing more. Raises IllegalMove for a move that the table does not have.
    """
    if target not in ALLOWED[source]:
        raise IllegalMove(f"{source} -> {target}")
    values = {"job_id": job_id, "source": source, "target": target, "fence": fence, "detail": detail,
              "ends": target in ENDS}
    moved = cast(CursorResult[tuple[()]], await db.execute(MOVE, values))
    return moved.rowcount == 1

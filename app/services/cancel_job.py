"""A client takes a job back."""

from uuid import UUID

from app.errors import Conflict, NotFound
from app.jobs import queries
from app.jobs.states import ENDS, JobState
from app.services.broker import Broker
from app.services.end_job import cancel

# A job that moves on while it is being cancelled is looked at again; it has few moves left.
TRIES = 8


async def cancel_job(broker: Broker, job_id: UUID) -> JobState:
    """Cancel the job and give its credits back. Answers CANCELLED, or the end that it had reached before.

    What the provider makes of it later changes nothing. Raises NotFound.
    """
    for _ in range(TRIES):
        async with broker.db.transaction() as db:
            found = await queries.load(db, [job_id])
            if not found:
                raise NotFound("No such job")
            job = found[0]
            if job.state in ENDS:
                return job.state
            if await cancel(db, job):
                return JobState.CANCELLED
    raise Conflict("The job is changing; try again")

"""A provider calls back. Its body is never believed: it only makes the next question come at once."""

from app.jobs import queries
from app.services.broker import Broker
from app.services.take_work import hash_callback_secret

TASK_ID_MOST = 200


async def hear_callback(broker: Broker, secret: str, body: object) -> None:
    """Wake the job whose attempt has this secret; for anything else do nothing."""
    async with broker.db.transaction() as db:
        attempt = await queries.attempt_of_secret(db, hash_callback_secret(secret))
        if attempt is None:
            return
        task_id = claimed_task_id(body)
        if attempt.task_id is None and task_id is not None:
            await queries.hint_task(db, attempt, task_id)
        lane = await queries.wake(db, attempt.job_id)
    if lane is not None:
        broker.doorbell.ring(lane)


def claimed_task_id(body: object) -> str | None:
    """The task id in any of the places where KIE writes it (upstreams/kie.md 5.3)."""
    if not isinstance(body, dict):
        return None
    data = body.get("data")
    inner = data if isinstance(data, dict) else {}
    for value in (inner.get("taskId"), inner.get("task_id"), body.get("taskId")):
        if isinstance(value, str) and 0 < len(value) <= TASK_ID_MOST:
            return value
    return None

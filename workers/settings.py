"""The two kinds of worker, and how ARQ carries their wake-ups.

ARQ 0.28 facts behind these values: a kept result blocks its id (`keep_result=0`); with the default `poll_delay` a
wake-up takes half a second; pickle is the default wire.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from arq.connections import RedisSettings
from arq.worker import Worker, func

from app.config import Settings
from app.jobs.wire import MEDIA_QUEUE, UPSTREAM_QUEUE, deserialize, serialize
from app.services.broker import Broker
from workers.stepper import Stepper
from workers.steppers import media_steppers, upstream_steppers


@dataclass(frozen=True)
class Kind:
    """A kind of worker: its queue, its steppers, and after how many seconds a stop hands back what has not ended.

    Paid calls that are under way are waited for longer, until whoever stops us kills us.
    """

    queue: str
    steppers: Callable[[Broker], list[Stepper]]
    drain_s: float


KINDS: Mapping[str, Kind] = {
    # Long enough for most questions and results.
    "upstream": Kind(UPSTREAM_QUEUE, upstream_steppers, drain_s=10),
    # Local work is done again from its start.
    "media": Kind(MEDIA_QUEUE, media_steppers, drain_s=5),
}


def bell(settings: Settings, queue: str, steppers: list[Stepper]) -> Worker:
    """An ARQ worker that hears the wake-ups of a queue."""
    return Worker(
        functions=[func("workers.tasks.wake", name="wake")],
        ctx={"steppers": {stepper.lane: stepper for stepper in steppers}},
        queue_name=queue,
        redis_settings=RedisSettings.from_dsn(str(settings.redis_url)),
        job_serializer=serialize,
        job_deserializer=deserialize,
        handle_signals=False,
        keep_result=0,
        poll_delay=0.02,
        max_jobs=50,
        job_timeout=10,
        max_tries=1,
        health_check_interval=30,
    )

"""The two ARQ workers: one for steps against providers, one for local work.

ARQ 0.28 facts behind these values: a kept result blocks its id (`keep_result=0`); with the default `poll_delay` a
wake-up takes half a second; pickle is the default wire; a worker exits when Redis dies, and its supervisor starts it
again.
"""

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, ClassVar

from app.config import get_settings
from app.jobs.wire import MEDIA_QUEUE, UPSTREAM_QUEUE, deserialize, serialize
from app.logs import configure_logs
from app.media.process import sweep
from app.services.broker import open_broker
from workers.schedule import start_schedule
from workers.steppers import media_steppers, upstream_steppers
from workers.tasks import wake

# Upstream calls have time limits of a minute; a stop waits for them, so that no paid request is cut in the middle.
UPSTREAM_DRAIN_S = 70.0
MEDIA_DRAIN_S = 5.0


async def start(context: dict[str, Any], *, media: bool) -> None:
    """Open the broker's parts and begin to work."""
    settings = get_settings()
    configure_logs(settings)
    # What workers that were killed left behind.
    await asyncio.to_thread(sweep, settings.work_dir)
    stack = AsyncExitStack()
    broker = await stack.enter_async_context(open_broker(settings))
    steppers = media_steppers(broker) if media else upstream_steppers(broker)
    for stepper in steppers:
        stepper.start()
    context["stack"] = stack
    context["steppers"] = {stepper.lane: stepper for stepper in steppers}
    context["clock"] = start_schedule(broker, steppers)


async def stop(context: dict[str, Any], *, drain_s: float) -> None:
    """Drain the steps, then close the parts."""
    for task in context.get("clock", ()):
        task.cancel()
    for stepper in context.get("steppers", {}).values():
        await stepper.stop(drain_s=drain_s)
    if "stack" in context:
        await context["stack"].aclose()


class WorkerSettings:
    """What both workers share."""

    functions: ClassVar = [wake]
    job_serializer = staticmethod(serialize)
    job_deserializer = staticmethod(deserialize)
    keep_result = 0
    poll_delay = 0.02
    max_jobs = 50
    job_timeout = 10
    max_tries = 1
    health_check_interval = 30


class UpstreamWorker(WorkerSettings):
    """Steps against providers: many at once, seconds each."""

    queue_name = UPSTREAM_QUEUE
    on_startup = staticmethod(partial(start, media=False))
    on_shutdown = staticmethod(partial(stop, drain_s=UPSTREAM_DRAIN_S))


class MediaWorker(WorkerSettings):
    """FFmpeg and yt-dlp: one job for each core."""

    queue_name = MEDIA_QUEUE
    on_startup = staticmethod(partial(start, media=True))
    on_shutdown = staticmethod(partial(stop, drain_s=MEDIA_DRAIN_S))

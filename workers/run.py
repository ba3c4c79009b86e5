"""A worker process: steppers that take work from Postgres, woken by ARQ and by the clock, until a signal."""

import asyncio
import os
import signal
from contextlib import suppress
from pathlib import Path

import structlog
from redis.exceptions import RedisError

from app.config import Settings
from app.logs import configure_logs
from app.services.broker import open_broker
from app.services.costs import name_below_cost
from workers.schedule import start_schedule
from workers.settings import Kind, bell
from workers.stepper import Stepper

log = structlog.get_logger()

# While Redis is away the sweep finds the work; this often somebody looks whether it is back.
BELL_AGAIN_S = 1.0
BELL_ENDS_WITHIN_S = 2.0
TOUCH_EVERY_S = 5.0


async def run_worker(settings: Settings, kind: Kind, *, ready_file: Path | None = None) -> None:
    """Work until SIGTERM or SIGINT, then drain.

    Our process id is written to `ready_file` once steps are taken, and the file is touched for as long as the loop
    turns: its age tells a stuck process from a living one.
    """
    configure_logs(settings)
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with open_broker(settings) as broker:
        name_below_cost(settings, broker.catalog)
        steppers = kind.steppers(broker)
        for stepper in steppers:
            stepper.start()
        beside = [*start_schedule(broker, steppers), asyncio.create_task(_hear(settings, kind.queue, steppers))]
        if ready_file:
            beside.append(asyncio.create_task(_keep_fresh(ready_file)))
        await stopped.wait()
        for task in beside:
            task.cancel()
        # A Redis that is stuck must not keep us from draining.
        await asyncio.wait(beside, timeout=BELL_ENDS_WITHIN_S)
        await asyncio.gather(*(stepper.stop(drain_s=kind.drain_s) for stepper in steppers))


async def _keep_fresh(file: Path) -> None:
    file.write_text(str(os.getpid()))  # noqa: ASYNC240 - once, before there is any work
    while True:
        await asyncio.sleep(TOUCH_EVERY_S)
        os.utime(file)


async def _hear(settings: Settings, queue: str, steppers: list[Stepper]) -> None:
    """Hear wake-ups for as long as there is a Redis, and again when it is back: an ARQ worker ends when Redis does."""
    while True:
        arq = bell(settings, queue, steppers)
        try:
            await arq.async_run()
        except (RedisError, OSError) as error:
            log.warning("bell.silent", queue=queue, error=repr(error))
        finally:
            with suppress(RedisError, OSError, asyncio.CancelledError):
                await arq.close()
        await asyncio.sleep(BELL_AGAIN_S)

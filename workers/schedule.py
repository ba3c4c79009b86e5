"""What a worker does by the clock, whether Redis is there or not."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

import structlog

from app.errors import DatabaseAway
from app.services.broker import Broker
from app.services.compare_purses import COMPARE_EVERY_S, compare_purses
from app.services.housekeeping import (
    AUDIT_EVERY_S,
    audit_by_the_clock,
    expire_jobs,
    forget_old_keys,
    look_into_purses,
    remove_expired_files,
)
from workers.stepper import Stepper

log = structlog.get_logger()

EXPIRE_EVERY_S = 2.0
CLEAN_EVERY_S = 60.0


async def sweep(steppers: Iterable[Stepper], *, every_s: float) -> None:
    """Look for due work in every lane, again and again: what makes up for every lost wake-up."""
    steppers = list(steppers)
    while True:
        for stepper in steppers:
            stepper.wake()
        await asyncio.sleep(every_s)


async def repeat(
    work: Callable[[Broker], Awaitable[object]], broker: Broker, *, every_s: float, first_after_s: float | None = None
) -> None:
    """Do the work, again and again; one failure does not end it."""
    pause_s = every_s if first_after_s is None else first_after_s
    while True:
        await asyncio.sleep(pause_s)
        pause_s = every_s
        try:
            await work(broker)
        except DatabaseAway as error:
            log.warning("schedule.failed", work=work.__name__, error=repr(error.__cause__))
        except Exception:
            log.exception("schedule.failed", work=work.__name__)


def start_schedule(broker: Broker, steppers: Iterable[Stepper]) -> list[asyncio.Task[None]]:
    """Start the clockwork of a worker."""
    return [
        asyncio.create_task(sweep(steppers, every_s=broker.settings.sweep_s)),
        asyncio.create_task(repeat(expire_jobs, broker, every_s=EXPIRE_EVERY_S)),
        asyncio.create_task(repeat(remove_expired_files, broker, every_s=CLEAN_EVERY_S)),
        asyncio.create_task(repeat(forget_old_keys, broker, every_s=CLEAN_EVERY_S)),
        asyncio.create_task(repeat(look_into_purses, broker, every_s=broker.settings.purse_look_s, first_after_s=0)),
        asyncio.create_task(repeat(compare_purses, broker, every_s=COMPARE_EVERY_S)),
        asyncio.create_task(repeat(audit_by_the_clock, broker, every_s=AUDIT_EVERY_S)),
    ]

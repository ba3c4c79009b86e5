"""A worker's steps: take as much as there is room for, run it, look again when a step ends, drain at the end."""

import asyncio
from collections.abc import Awaitable, Callable, Collection

import structlog

from app.errors import DatabaseAway
from app.jobs.states import LeaseLost
from app.services.take_work import Step, Work

log = structlog.get_logger()

# Where the provider's limits kept work back, look again this soon.
MORE_S = 0.25


class Stepper:
    """Runs the steps of one lane, at most `room` at once."""

    def __init__(
        self,
        lane: str,
        *,
        room: int,
        take: Callable[[int], Awaitable[Work]],
        run: Callable[[Step], Awaitable[None]],
        hand_back: Callable[[Step], Awaitable[None]],
    ) -> None:
        self.lane = lane
        self._room = room
        self._take = take
        self._run = run
        self._hand_back = hand_back
        self._steps: set[asyncio.Task[None]] = set()
        self._wanted = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None
        self._is_stopping = False

    def wake(self) -> None:
        """There may be work."""
        self._wanted.set()

    def start(self) -> None:
        """Begin to look for work whenever woken."""
        self._looking = asyncio.create_task(self._look())

    async def stop(self, *, drain_s: float) -> None:
        """Take nothing more; let the steps end, and hand back those that have not after `drain_s` seconds.

        A paid call that is under way is waited for in any case: it has a time limit of its own.
        """
        self._is_stopping = True
        self.wake()
        if self._looking is not None:
            # Not cut in the middle: what was being taken would be left as if we worked on it, or had sent it.
            await _wait_or_cancel({self._looking}, within_s=drain_s)
        await _wait_or_cancel(self._steps, within_s=drain_s)

    async def _look(self) -> None:
        while True:
            await self._wanted.wait()
            if self._is_stopping:
                return
            self._wanted.clear()
            room = self._room - len(self._steps)
            if room <= 0:
                continue
            try:
                work = await self._take(room)
            except DatabaseAway as error:
                log.warning("worker.took_nothing", lane=self.lane, error=repr(error.__cause__))
                continue
            except Exception:
                # The next wake-up or sweep looks again.
                log.exception("worker.took_nothing", lane=self.lane)
                continue
            for step in work.steps:
                self._begin(step)
            if work.has_more:
                asyncio.get_running_loop().call_later(MORE_S, self.wake)

    def _begin(self, step: Step) -> None:
        task = asyncio.create_task(self._guarded(step))
        self._steps.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._steps.discard(task)
        self.wake()

    async def _guarded(self, step: Step) -> None:
        job = step.job
        with structlog.contextvars.bound_contextvars(job_id=str(job.id), service=job.service):
            try:
                await self._run(step)
            except LeaseLost:
                log.info("step.superseded")
            except asyncio.CancelledError:
                await self._give_back(step)
                raise
            except DatabaseAway as error:
                log.warning("step.broke", state=job.state, error=repr(error.__cause__))
            except Exception:
                # Nothing is known to have changed: the lease runs out and the step is done again, until the deadline.
                log.exception("step.broke", state=job.state)

    async def _give_back(self, step: Step) -> None:
        try:
            await self._hand_back(step)
        except DatabaseAway as error:
            log.warning("step.not_handed_back", error=repr(error.__cause__))


async def _wait_or_cancel(tasks: Collection[asyncio.Task[None]], *, within_s: float) -> None:
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=within_s)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

"""What Postgres said a moment ago, kept in the process so that a request need not ask again."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Value = TypeVar("Value")

# From this share of its time on, what is remembered is read anew while it is still good: who asks steadily never waits.
EARLY = 0.5
# With much to add up it is read less often: reading may take this share of the time.
MOST_OF_TIME = 0.04


class Remembered(Generic[Value]):
    """A value that `read` answered at most `fresh_s` seconds ago, or longer where reading takes long."""

    def __init__(self, read: Callable[[], Awaitable[Value]], *, fresh_s: float) -> None:
        self._read = read
        self._least_s = self._fresh_s = fresh_s
        self._known: tuple[float, Value] | None = None
        self._reading: asyncio.Task[Value] | None = None

    async def get(self) -> Value:
        """The value. Raises what reading it raises, if there is none that is young enough."""
        known = self._known
        age_s = time.monotonic() - known[0] if known else float("inf")
        if known and age_s <= self._fresh_s * EARLY:
            return known[1]
        reading = self._reading or self._start()
        if known and age_s <= self._fresh_s:
            return known[1]
        # Shielded, because others wait for the same answer.
        return await asyncio.shield(reading)

    def forget(self) -> None:
        """Read anew at the next question, whatever is being read now."""
        self._known = self._reading = None

    def _start(self) -> "asyncio.Task[Value]":
        self._reading = reading = asyncio.create_task(self._renew())
        # Who waits meets its failure; where nobody does, the next question reads again.
        reading.add_done_callback(lambda task: task.cancelled() or task.exception())
        return reading

    async def _renew(self) -> Value:
        began_at = time.monotonic()
        try:
            value = await self._read()
        finally:
            is_wanted = self._reading is asyncio.current_task()
            if is_wanted:
                self._reading = None
        if is_wanted:
            self._known = began_at, value
            self._fresh_s = max(self._least_s, (time.monotonic() - began_at) / (MOST_OF_TIME * EARLY))
        return value

"""What is done to the stack while it works: kill -9, freeze and thaw, Redis emptied, an upstream that misbehaves."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.torture.plan import Act, Deed, Misdeed
from app.torture.stack import Stack

log = structlog.get_logger()

LOOK_S = 0.05
# A part that was just killed is given this long to be there again, so that the next blow hits something.
WAIT_S = 10.0


@dataclass(frozen=True)
class Done:
    """An act that was carried out: on which process, and when (UTC)."""

    act: Act
    pid: int
    at: datetime


@dataclass
class Chaos:
    """Carries out acts, and remembers them."""

    stack: Stack
    done: list[Done] = field(default_factory=list)

    async def run(self, acts: Sequence[Act]) -> None:
        """All these, in the order of their times from now; freezes end by themselves."""
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for act in acts:
                await asyncio.sleep(max(0.0, began + act.at_s - time.monotonic()))
                if act.misdeed is not None:
                    await self._misbehave(act.misdeed)
                elif (pid := await self._find(act)) is not None:
                    await self._hit(group, act, pid)

    async def _find(self, act: Act) -> int | None:
        """A living process of the part, waited for if it was just hit."""
        ends = time.monotonic() + WAIT_S
        while time.monotonic() < ends:
            pids = [pid for pid in self.stack.supervisor.pids().get(act.part, []) if is_running(pid)]
            if pids:
                return pids[act.place % len(pids)]
            await asyncio.sleep(LOOK_S)
        return None

    async def _hit(self, group: asyncio.TaskGroup, act: Act, pid: int) -> None:
        if act.deed is Deed.WIPE:
            await self._empty_redis()
        self.done.append(Done(act, pid, datetime.now(UTC)))
        if act.deed is Deed.FREEZE:
            group.create_task(self._freeze(pid, act.for_s))
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def _freeze(self, pid: int, for_s: float) -> None:
        with frozen(pid):
            await asyncio.sleep(for_s)

    async def _empty_redis(self) -> None:
        redis = Redis.from_url(str(self.stack.settings.redis_url), socket_timeout=1, socket_connect_timeout=1)
        with suppress(RedisError, OSError):
            await redis.flushall()
        await redis.aclose()

    async def _misbehave(self, misdeed: Misdeed) -> None:
        order = {"match": {"route": misdeed.route}, "fault": misdeed.word, "count": misdeed.count}
        # Where the sandbox is just dead it will not misbehave, but not answer at all.
        with suppress(httpx.HTTPError):
            async with httpx.AsyncClient(trust_env=False, timeout=2) as http:
                await http.post(f"{self.stack.sandbox_url}/control/faults", json=order)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop the process for as long as the block runs, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def is_running(pid: int) -> bool:
    """Whether the process lives, stopped or not. A zombie does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except FileNotFoundError:  # There is no /proc, as on macOS.
        return sys.platform != "linux"
    except ProcessLookupError:
        return False

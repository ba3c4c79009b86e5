"""Many small statements made into few: callers who ask at the same moment share one round trip."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Collects items while a flush is under way and sends them together in the next one.

    There is no timer: a lone caller waits for nothing, and under load the batches grow by themselves.
    `flush` gets at most `size` items and answers one result for each, in order; a result that is an exception is
    raised to its caller alone, an exception from `flush` itself to every caller of that batch.
    """

    def __init__(
        self,
        flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer | Exception]]],
        *,
        size: int,
        parallel: int,
    ) -> None:
        self._flush = flush
        self._size = size
        self._parallel = parallel
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def ask(self, item: Item) -> Answer:
        """The answer for this item. A caller that is cancelled leaves its item in the batch."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if len(self._flushes) < self._parallel:
            self._start()
        return await answer

    async def close(self) -> None:
        """Wait for what is under way."""
        while self._flushes:
            with suppress(Exception):
                await asyncio.gather(*self._flushes)

    def _start(self) -> None:
        self._flushes.add(asyncio.create_task(self._run()))

    async def _run(self) -> None:
        try:
            # One turn of the loop lets everyone who is ready now come along.
            await asyncio.sleep(0)
            while self._waiting:
                batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
                await self._send(batch)
        finally:
            # In the same step that found nothing waiting: who asks after it must not count on this flush.
            task = asyncio.current_task()
            assert task is not None
            self._flushes.discard(task)

    async def _send(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._flush([item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 - it is raised again, to each caller
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)

"""Many callers, few flushes, and nobody forgotten."""

import asyncio
from collections.abc import Sequence

import pytest

from app.db.batch import Batcher


class Recorder:
    """A flush that doubles numbers, in batches that are kept."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []

    async def flush(self, numbers: Sequence[int]) -> Sequence[int | Exception]:
        self.batches.append(list(numbers))
        await asyncio.sleep(0)
        return [ValueError(number) if number < 0 else 2 * number for number in numbers]


@pytest.mark.parametrize("parallel", [1, 2, 3])
async def test_who_asks_when_a_flush_has_just_ended_is_answered(parallel: int) -> None:
    batcher = Batcher(Recorder().flush, size=10, parallel=parallel)

    async def ask_again_and_again(first: int) -> None:
        for number in range(first, first + 50):
            assert await batcher.ask(number) == 2 * number

    async with asyncio.timeout(5):
        await asyncio.gather(*(ask_again_and_again(100 * caller) for caller in range(parallel)))


async def test_those_who_come_together_share_a_flush_of_at_most_the_size() -> None:
    recorder = Recorder()
    batcher = Batcher(recorder.flush, size=4, parallel=1)

    assert await asyncio.gather(*(batcher.ask(number) for number in range(10))) == [2 * it for it in range(10)]

    assert [len(batch) for batch in recorder.batches] == [4, 4, 2]


async def test_an_error_is_its_own_callers() -> None:
    batcher = Batcher(Recorder().flush, size=10, parallel=1)

    answers = await asyncio.gather(batcher.ask(1), batcher.ask(-1), batcher.ask(2), return_exceptions=True)

    assert [type(answer) for answer in answers] == [int, ValueError, int]


async def test_a_flush_that_fails_fails_for_its_batch_alone() -> None:
    recorder = Recorder()

    async def fail_first(numbers: Sequence[int]) -> Sequence[int | Exception]:
        if not recorder.batches:
            recorder.batches.append([])
            raise OSError("away")
        return await recorder.flush(numbers)

    batcher = Batcher(fail_first, size=2, parallel=1)
    answers = await asyncio.gather(*(batcher.ask(number) for number in range(4)), return_exceptions=True)

    assert [type(answer) for answer in answers] == [OSError, OSError, int, int]


async def test_who_goes_away_takes_nobody_along() -> None:
    batcher = Batcher(Recorder().flush, size=10, parallel=1)
    stays, goes = [asyncio.create_task(batcher.ask(number)) for number in (1, 2)]
    await asyncio.sleep(0)
    goes.cancel()

    assert await stays == 2


async def test_closing_waits_for_what_is_under_way() -> None:
    recorder = Recorder()
    batcher = Batcher(recorder.flush, size=10, parallel=1)
    asked = asyncio.create_task(batcher.ask(1))
    await asyncio.sleep(0)

    await batcher.close()

    assert recorder.batches == [[1]]
    assert await asked == 2

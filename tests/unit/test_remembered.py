"""What is remembered is young, is read once for all who ask, and makes nobody wait who asks steadily."""

import asyncio
import time

import pytest

from app.db import remembered
from app.db.remembered import Remembered

FRESH_S = 0.2


class Source:
    """Counts how often it is read, and takes as long as it is told to."""

    def __init__(self) -> None:
        self.reads = 0
        self.takes_s = 0.0
        self.is_away = False

    async def read(self) -> int:
        self.reads += 1
        number = self.reads
        await asyncio.sleep(self.takes_s)
        if self.is_away:
            raise ConnectionError
        return number


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def value(source: Source) -> Remembered[int]:
    return Remembered(source.read, fresh_s=FRESH_S)


async def test_those_who_come_together_share_a_reading(source: Source, value: Remembered[int]) -> None:
    source.takes_s = 0.01
    assert await asyncio.gather(*(value.get() for _ in range(10))) == [1] * 10
    assert await value.get() == 1


async def test_one_who_gives_up_takes_the_reading_from_nobody(source: Source, value: Remembered[int]) -> None:
    source.takes_s = 0.05
    hasty, patient = asyncio.create_task(value.get()), asyncio.create_task(value.get())
    await asyncio.sleep(0.01)
    hasty.cancel()
    assert await patient == 1


async def test_who_asks_steadily_never_waits(source: Source, value: Remembered[int]) -> None:
    await value.get()
    await asyncio.sleep(FRESH_S * 0.6)
    source.takes_s = FRESH_S * 0.2
    began = time.monotonic()
    assert await value.get() == await value.get() == 1
    assert time.monotonic() - began < source.takes_s / 2
    await asyncio.sleep(FRESH_S * 0.3)
    assert await value.get() == 2


async def test_nobody_is_told_what_is_too_old(source: Source, value: Remembered[int]) -> None:
    await value.get()
    await asyncio.sleep(FRESH_S * 1.1)
    assert await value.get() == 2


async def test_a_failure_is_met_only_by_who_has_to_wait(source: Source, value: Remembered[int]) -> None:
    await value.get()
    source.is_away = True
    await asyncio.sleep(FRESH_S * 0.6)
    assert await value.get() == 1
    await asyncio.sleep(FRESH_S * 0.6)
    with pytest.raises(ConnectionError):
        await value.get()
    source.is_away = False
    assert await value.get() == source.reads


async def test_what_was_forgotten_is_read_anew_in_spite_of_a_reading(source: Source, value: Remembered[int]) -> None:
    source.takes_s = 0.05
    early = asyncio.create_task(value.get())
    await asyncio.sleep(0.01)
    value.forget()
    assert await value.get() == 2
    assert await early == 1
    assert await value.get() == 2


async def test_what_takes_long_is_read_less_often(
    source: Source, value: Remembered[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remembered, "MOST_OF_TIME", 0.1)
    source.takes_s = 0.05
    await value.get()
    source.takes_s = 0
    await asyncio.sleep(0.4)  # half of the second for which it is good, at a tenth of half of the time
    assert await value.get() == 1
    assert source.reads == 1

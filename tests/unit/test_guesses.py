"""Who tries many keys waits; who has one does not, nor does the neighbour."""

import asyncio
import time

import pytest

from app.errors import TooManyRequests
from app.services.guesses import GuessBrake


async def held(brake: GuessBrake, address: str | None, times: int) -> int:
    """How many of so many guesses at once have to wait; nobody waits for them."""
    guesses = [asyncio.create_task(brake.hold(address)) for _ in range(times)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting = [guess for guess in guesses if not guess.done()]
    for guess in waiting:
        guess.cancel()
    return len(waiting)


def slow_brake() -> GuessBrake:
    """One that lets nobody go while a test lasts."""
    return GuessBrake(free=10, per_second=0.5, wait_most_s=1_000)


async def test_the_first_are_free_and_the_rest_wait() -> None:
    brake = slow_brake()

    assert await held(brake, "192.0.2.1", 10) == 0
    assert await held(brake, "192.0.2.1", 5) == 5


async def test_those_who_wait_take_turns() -> None:
    brake = GuessBrake(free=10, per_second=100)
    began_at = time.monotonic()

    await asyncio.gather(*(brake.hold("192.0.2.1") for _ in range(30)))

    assert time.monotonic() - began_at >= 0.2


@pytest.mark.parametrize(("guesser", "other"), [
    ("192.0.2.1", "192.0.2.2"), ("2001:db8:0:1::1", "2001:db8:0:2::1"), ("192.0.2.1", None), (None, "a-socket"),
])
async def test_another_address_does_not_wait(guesser: str | None, other: str | None) -> None:
    brake = slow_brake()
    await held(brake, guesser, 11)

    assert await held(brake, other, 10) == 0


@pytest.mark.parametrize(("one", "same"), [("2001:db8::1", "2001:db8::2"), ("192.0.2.1", "::ffff:192.0.2.1")])
async def test_all_addresses_of_one_owner_are_one(one: str, same: str) -> None:
    brake = slow_brake()
    await held(brake, one, 10)

    assert await held(brake, same, 1) == 1


async def test_too_many_at_once_are_told_to_come_back() -> None:
    brake = GuessBrake(free=1, per_second=0.1)
    await brake.hold("192.0.2.1")

    with pytest.raises(TooManyRequests) as refused:
        await brake.hold("192.0.2.1")

    assert refused.value.retry_after_s == 10


async def test_rest_earns_free_ones_again() -> None:
    brake = GuessBrake(free=5, per_second=50)
    await held(brake, "192.0.2.1", 5)
    await asyncio.sleep(0.1)

    assert await held(brake, "192.0.2.1", 5) == 0

"""Who tries many keys waits; who has one does not, nor does the neighbour."""

import asyncio
import time

import pytest

from app.errors import TooManyRequests
from app.services.guesses import GuessBrake


async def seconds(brake: GuessBrake, address: str | None, times: int) -> float:
    began_at = time.monotonic()
    await asyncio.gather(*(brake.hold(address) for _ in range(times)))
    return time.monotonic() - began_at


async def test_the_first_are_free_and_the_rest_take_turns() -> None:
    brake = GuessBrake(free=10, per_second=100)

    assert await seconds(brake, "192.0.2.1", 10) < 0.05
    assert 0.2 <= await seconds(brake, "192.0.2.1", 20) < 0.5


@pytest.mark.parametrize(("guesser", "other"), [
    ("192.0.2.1", "192.0.2.2"), ("2001:db8:0:1::1", "2001:db8:0:2::1"), ("192.0.2.1", None), (None, "a-socket"),
])
async def test_another_address_does_not_wait(guesser: str | None, other: str | None) -> None:
    brake = GuessBrake(free=10, per_second=10)
    await seconds(brake, guesser, 10)

    assert await seconds(brake, other, 10) < 0.05


@pytest.mark.parametrize(("one", "same"), [("2001:db8::1", "2001:db8::2"), ("192.0.2.1", "::ffff:192.0.2.1")])
async def test_all_addresses_of_one_owner_are_one(one: str, same: str) -> None:
    brake = GuessBrake(free=10, per_second=100)
    await seconds(brake, one, 10)

    assert await seconds(brake, same, 10) >= 0.1


async def test_too_many_at_once_are_told_to_come_back() -> None:
    brake = GuessBrake(free=1, per_second=0.1)
    await brake.hold("192.0.2.1")

    with pytest.raises(TooManyRequests) as refused:
        await brake.hold("192.0.2.1")

    assert refused.value.retry_after_s == 10


async def test_rest_earns_free_ones_again() -> None:
    brake = GuessBrake(free=5, per_second=50)
    await seconds(brake, "192.0.2.1", 5)
    await asyncio.sleep(0.1)

    assert await seconds(brake, "192.0.2.1", 5) < 0.05

"""Slowing down who tries keys: an address with many unknown ones waits for each refusal. Good keys never wait."""

import asyncio
import math
import time
from ipaddress import IPv6Address, ip_address

from app.errors import TooManyRequests

# So many unknown keys of one address are refused at once; after that so many a second.
FREE = 300
PER_SECOND = 10.0
# Longer than this nobody waits: more at once are told to come back.
WAIT_MOST_S = 5.0
REMEMBER_MOST = 10_000
# Who has one address of version 6 has a whole network of them.
OWN_BITS_V6 = 64


class GuessBrake:
    """One for each process. Keys have 285 bits: this keeps guessers off the database rather than off the keys."""

    def __init__(
        self, *, free: int = FREE, per_second: float = PER_SECOND, wait_most_s: float = WAIT_MOST_S
    ) -> None:
        self._wait_most_s = wait_most_s
        self._free_s = free / per_second
        self._each_s = 1 / per_second
        # When each address has worked off its guesses.
        self._settled_at: dict[str, float] = {}

    async def hold(self, address: str | None) -> None:
        """Wait as long as the address has earned by its guesses. Raises TooManyRequests if that is too long."""
        now = time.monotonic()
        who = _network_of(address or "")
        settled_at = max(now, self._settled_at.get(who, 0)) + self._each_s
        wait_s = settled_at - now - self._free_s
        if wait_s > self._wait_most_s:
            raise TooManyRequests("Too many unknown API keys from this address", retry_after_s=math.ceil(wait_s))
        self._remember(who, settled_at, now=now)
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    def _remember(self, who: str, settled_at: float, *, now: float) -> None:
        if len(self._settled_at) >= REMEMBER_MOST:
            self._settled_at = {known: at for known, at in self._settled_at.items() if at > now}
        self._settled_at[who] = settled_at


def _network_of(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(int(parsed) >> (128 - OWN_BITS_V6))
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)

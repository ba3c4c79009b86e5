"""Whether what is left with a provider is enough to go on selling: known in every process, within a second."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal

import structlog

from app.db.engine import Database
from app.jobs.accounting import cost_of_begun, cost_of_waiting
from app.providers.port import PurseHolder
from app.purses.readings import newest_readings

log = structlog.get_logger()

ZERO = Decimal(0)

# A process stops and goes on selling within this time of a reading.
FRESH_S = 1.0
# With very many jobs it looks less often: it may take this share of the time.
MOST_OF_TIME = 0.02


class PurseBook:
    """What is left by the newest readings, less what was begun since and what waits: looked up once a second, and less
    often while very many jobs wait. One for each process."""

    def __init__(self, db: Database, holders: Sequence[PurseHolder], leasts: Mapping[str, Decimal]) -> None:
        self._db = db
        self._leasts = leasts
        self._low: frozenset[str] = frozenset()
        self._stale_at = float("-inf")
        self._reading = asyncio.Lock()
        self.holders = holders
        self.keys = {holder.name: [key.fingerprint for key in holder.keys] for holder in holders}

    async def is_low(self, provider: str) -> bool:
        """Whether the provider is known to have less left than the settings want, under every key or when it has been
        paid for all tasks that wait for it."""
        if provider not in self.keys:
            return False
        # Who comes while another one looks goes by what was known before: no create waits for a queue to be added up.
        if self._is_stale() and not (self._is_known and self._reading.locked()):
            async with self._reading:
                if self._is_stale():
                    await self._read()
        return provider in self._low

    @property
    def _is_known(self) -> bool:
        return self._stale_at > float("-inf")

    def _is_stale(self) -> bool:
        return time.monotonic() > self._stale_at

    async def _read(self) -> None:
        began_at = time.monotonic()
        async with self._db.statement() as db:
            views = await newest_readings(db, self.keys)
            begun = await cost_of_begun(db, {(view.provider, view.fingerprint): view.seen_at for view in views})
            waiting = await cost_of_waiting(db, list(self.keys))
        left: dict[str, list[Decimal | None]] = {}
        for view in views:
            spent = begun.get((view.provider, view.fingerprint), ZERO)
            left.setdefault(view.provider, []).append(None if view.left is None else view.left - spent)
        low = frozenset(
            provider for provider, purses in left.items()
            if len(purses) == len(self.keys[provider])
            and self._is_too_little(provider, purses, waiting.get(provider, ZERO))
        )
        for provider in low ^ self._low:
            log.warning("selling.stopped" if provider in low else "selling.resumed", provider=provider)
        took_s = time.monotonic() - began_at
        self._low, self._stale_at = low, began_at + max(FRESH_S, took_s / MOST_OF_TIME)

    def _is_too_little(self, provider: str, purses: Sequence[Decimal | None], waiting: Decimal) -> bool:
        known, least = [left for left in purses if left is not None], self._leasts[provider]
        if len(known) < len(purses):
            return False
        return all(left < least for left in known) or sum(known, -waiting) < least

"""Whether what is left with a provider is enough to go on selling: known in every process, within a second."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import structlog

from app.db.engine import Database
from app.db.remembered import Remembered
from app.jobs.accounting import cost_of_begun, cost_of_waiting
from app.providers.port import PurseHolder
from app.purses.readings import newest_readings

log = structlog.get_logger()

ZERO = Decimal(0)

# A process stops and goes on selling within this time of a reading.
FRESH_S = 1.0


class PurseBook:
    """What is left by the newest readings, less what was begun since and what waits. One for each process."""

    def __init__(self, db: Database, holders: Sequence[PurseHolder], leasts: Mapping[str, Decimal]) -> None:
        self._db = db
        self._leasts = leasts
        self._last: frozenset[str] = frozenset()
        self._low = Remembered(self._read, fresh_s=FRESH_S)
        self.holders = holders
        self.keys = {holder.name: [key.fingerprint for key in holder.keys] for holder in holders}

    async def is_low(self, provider: str) -> bool:
        """Whether the provider is known to have less left than the settings want, under every key or when it has been
        paid for all tasks that wait for it."""
        return provider in self.keys and provider in await self._low.get()

    async def _read(self) -> frozenset[str]:
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
        for provider in low ^ self._last:
            log.warning("selling.stopped" if provider in low else "selling.resumed", provider=provider)
        self._last = low
        return low

    def _is_too_little(self, provider: str, purses: Sequence[Decimal | None], waiting: Decimal) -> bool:
        known, least = [left for left in purses if left is not None], self._leasts[provider]
        if len(known) < len(purses):
            return False
        return all(left < least for left in known) or sum(known, -waiting) < least

"""Whether what is left with a provider is enough to go on selling: known in every process, within a second."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from decimal import Decimal

import structlog

from app.db.engine import Database
from app.providers.port import PurseHolder
from app.purses.readings import PurseView, newest_readings

log = structlog.get_logger()

# A process stops and goes on selling within this time of a reading.
FRESH_S = 1.0


class PurseBook:
    """The newest readings, read at most once a second. One for each process."""

    def __init__(self, db: Database, holders: Sequence[PurseHolder], leasts: Mapping[str, Decimal]) -> None:
        self._db = db
        self._leasts = leasts
        self._low: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()
        self.holders = holders
        self.keys = {holder.name: [key.fingerprint for key in holder.keys] for holder in holders}

    async def is_low(self, provider: str) -> bool:
        """Whether every key of the provider is known to have less left than the settings want."""
        if provider not in self.keys:
            return False
        if self._is_stale():
            async with self._reading:
                if self._is_stale():
                    await self._read()
        return provider in self._low

    async def views(self) -> list[PurseView]:
        """The newest reading of each key."""
        async with self._db.statement() as db:
            return await newest_readings(db, self.keys)

    def least(self, provider: str) -> Decimal:
        """How much must be left for the provider's services to be sold."""
        return self._leasts[provider]

    def _is_stale(self) -> bool:
        return time.monotonic() - self._read_at > FRESH_S

    async def _read(self) -> None:
        asked_at = time.monotonic()
        left: dict[str, list[Decimal | None]] = {}
        for view in await self.views():
            left.setdefault(view.provider, []).append(view.left)
        low = frozenset(
            provider for provider, purses in left.items()
            if len(purses) == len(self.keys[provider])
            and all(amount is not None and amount < self._leasts[provider] for amount in purses)
        )
        for provider in low ^ self._low:
            log.warning("selling.stopped" if provider in low else "selling.resumed", provider=provider)
        self._low, self._read_at = low, asked_at


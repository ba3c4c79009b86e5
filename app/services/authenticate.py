"""Who is asking: keys are looked up whole, together, and remembered for less than a second."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass

from app.accounts.keys import KeyRecord, find_keys, hash_secret
from app.db.batch import Batcher
from app.db.engine import Database
from app.db.remembered import EARLY

# A revoked key is refused everywhere within this time (design: one second).
FRESH_S = 0.8
REMEMBER_MOST = 10_000


@dataclass(slots=True)
class _Known:
    """A key, until when it may be used unasked, and from when on it is asked for again; both by time.monotonic."""

    key: KeyRecord
    good_until: float
    renew_from: float


class KeyCache:
    """The keys in use in this process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[bytes, _Known] = {}
        self._renewals: set[asyncio.Task[KeyRecord | None]] = set()
        self._lookups = Batcher[bytes, KeyRecord | None](self._find, size=256, parallel=2)

    async def find(self, secret: str) -> KeyRecord | None:
        """The usable key with this secret, as it stood at most `FRESH_S` ago; None for unknown, revoked and expired."""
        digest = hash_secret(secret)
        known, now = self._known.get(digest), time.monotonic()
        if known is None or now > known.good_until:
            return await self._look_up(digest)
        if now > known.renew_from:
            known.renew_from = known.good_until
            self._renew(digest)
        return known.key

    def _renew(self, digest: bytes) -> None:
        renewal = asyncio.create_task(self._look_up(digest))
        self._renewals.add(renewal)
        renewal.add_done_callback(self._renewals.discard)
        # Should it fail, who comes after the key's time looks it up, and meets the failure.
        renewal.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _look_up(self, digest: bytes) -> KeyRecord | None:
        asked_at = time.monotonic()
        key = await self._lookups.ask(digest)
        # What is refused is not remembered: unknown, revoked and expired keys all take the same way, and time.
        if key is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= REMEMBER_MOST:
            self._known.clear()
        good_s = min(FRESH_S, key.lives_s)
        self._known[digest] = _Known(key, good_until=asked_at + good_s, renew_from=asked_at + good_s * EARLY)
        return key

    async def _find(self, digests: Sequence[bytes]) -> Sequence[KeyRecord | None]:
        async with self._db.statement() as db:
            found = await find_keys(db, list(set(digests)))
        return [found.get(digest) for digest in digests]

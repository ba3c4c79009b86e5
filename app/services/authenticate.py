"""Who is asking: keys are looked up whole, together, and remembered for less than a second."""

import time
from collections.abc import Sequence

from app.accounts.keys import KeyRecord, find_keys, hash_secret
from app.db.batch import Batcher
from app.db.engine import Database

# A revoked key is refused everywhere within this time (design: one second).
FRESH_S = 0.8
REMEMBER_MOST = 10_000


class KeyCache:
    """The keys in use in this process."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._known: dict[bytes, tuple[float, KeyRecord]] = {}
        self._lookups = Batcher[bytes, KeyRecord | None](self._find, size=256, parallel=2)

    async def find(self, secret: str) -> KeyRecord | None:
        """The usable key with this secret, as it stood at most `FRESH_S` ago; None for unknown, revoked and expired."""
        digest = hash_secret(secret)
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known[0]:
            return known[1]
        return await self._look_up(digest)

    async def _look_up(self, digest: bytes) -> KeyRecord | None:
        asked_at = time.monotonic()
        key = await self._lookups.ask(digest)
        # What is refused is not remembered: unknown, revoked and expired keys all take the same way, and time.
        if key is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= REMEMBER_MOST:
            self._known.clear()
        self._known[digest] = (asked_at + min(FRESH_S, key.lives_s), key)
        return key

    async def _find(self, digests: Sequence[bytes]) -> Sequence[KeyRecord | None]:
        async with self._db.statement() as db:
            found = await find_keys(db, list(set(digests)))
        return [found.get(digest) for digest in digests]

"""A provider's keys taking turns in a process, without those that rest."""

from collections.abc import Collection
from itertools import cycle

from app.db.engine import Database
from app.db.remembered import Remembered
from app.errors import Unavailable
from app.jobs import queries
from app.providers.port import ProviderKey

# A key that another process put to rest is left alone here within this time.
FRESH_S = 1.0


class KeyTurns:
    """Picks the key for the next call. One for each provider and process."""

    def __init__(self, db: Database, provider: str, keys: tuple[ProviderKey, ...]) -> None:
        self._db = db
        self._provider = provider
        self._count = len(keys)
        self._turns = cycle(keys)
        self._resting = Remembered(self._read, fresh_s=FRESH_S)

    async def pick(self, *, tried: Collection[str] = ()) -> ProviderKey:
        """The next key that neither rests nor was tried. Raises Unavailable when there is none."""
        resting = await self._resting.get()
        for _ in range(self._count):
            key = next(self._turns)
            if key.fingerprint not in resting and key.fingerprint not in tried:
                return key
        raise Unavailable("The provider is not available on this server at the moment")

    def forget(self) -> None:
        """A key was put to rest: look again before the next call."""
        self._resting.forget()

    async def _read(self) -> set[str]:
        async with self._db.statement() as db:
            return await queries.resting_keys(db, self._provider)

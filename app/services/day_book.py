"""The report of the last day, for who asks every few seconds."""

import asyncio
import time

from app.config import Settings
from app.db.engine import Database
from app.services.report import Report, make_report

FRESH_S = 60.0


class DayBook:
    """Makes the report at most once a minute. One for each process."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self._settings = settings
        self._report: Report | None = None
        self._made_at = float("-inf")
        self._making = asyncio.Lock()

    async def report(self) -> Report:
        """The report of the day that ended at most a minute ago. Raises DatabaseAway."""
        async with self._making:
            if self._report is None or time.monotonic() - self._made_at > FRESH_S:
                began_at = time.monotonic()
                self._report = await make_report(self._db, self._settings)
                self._made_at = began_at
            return self._report

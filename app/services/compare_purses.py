"""Every day once: what each purse lost on the day that is over, beside what our books say of it."""

from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.purses.days import DayView, is_compared, keep_day
from app.purses.readings import Span, purses_seen
from app.services.broker import Broker
from app.services.report import compare

log = structlog.get_logger()

COMPARE_EVERY_S = 600.0
# By then the tasks of the day's last minutes have ended, and told what they cost.
OVER_FOR = timedelta(hours=2)


async def compare_purses(broker: Broker) -> None:
    """Compare yesterday, by UTC, for each purse whose yesterday was not compared yet, and log what it lost and why."""
    async with broker.db.statement() as db:
        ends = await _last_midnight(db)
        span = Span(ends - timedelta(days=1), ends)
        for purse in await purses_seen(db, span.since):
            day = span.since.date()
            if await is_compared(db, day, purse.provider, purse.fingerprint):
                continue
            found = await compare(db, broker.settings, purse, span)
            if found.lost is None or found.booked is None:
                continue
            view = DayView(day, purse.provider, purse.fingerprint, found.lost, found.booked)
            if await keep_day(db, view):
                tell = log.warning if view.drift else log.info
                tell("purse.compared", day=str(day), provider=view.provider, key=view.fingerprint,
                     lost=str(view.lost), booked=str(view.booked), drift=str(view.drift))


async def _last_midnight(db: AsyncSession) -> datetime:
    """The end of the newest day that is over for long enough, by Postgres' clock."""
    now: datetime = (await db.execute(select(func.now()))).scalar_one()
    return (now.astimezone(UTC) - OVER_FOR).replace(hour=0, minute=0, second=0, microsecond=0)

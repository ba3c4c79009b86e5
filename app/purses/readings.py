"""Keeping what providers tell, and reading how it changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from sqlalchemy import select, text
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app.purses.models import PurseReading

ZERO = Decimal(0)


@dataclass(frozen=True)
class PurseView:
    """The newest reading of a key's purse, in the provider's unit; `seen_at` is when it was last told."""

    provider: str
    fingerprint: str
    left: Decimal | None
    seen_at: datetime


@dataclass(frozen=True)
class Span:
    """A time: after `since`, up to and with `until`."""

    since: datetime
    until: datetime


@dataclass(frozen=True)
class Loss:
    """What a purse lost in `span`, in the provider's unit.

    Where it was filled meanwhile nobody knows what it lost beside: those times are `filled`, and not in `lost`.
    """

    span: Span
    lost: Decimal
    filled: Sequence[Span]


# A reading that was asked for before one that is known tells nothing new: two workers may look at once.
KEEP = text("""
WITH told AS (
    SELECT CAST(:provider AS text) AS provider, CAST(:fingerprint AS text) AS fingerprint,
           CAST(:left AS numeric(20, 9)) AS balance, CAST(:spent AS numeric(20, 9)) AS spent,
           CAST(:at AS timestamptz) AS at
), last AS (
    SELECT r.* FROM purse_readings r JOIN told USING (provider, fingerprint) ORDER BY r.id DESC LIMIT 1
), same AS (
    UPDATE purse_readings r SET seen_at = told.at FROM last, told
     WHERE r.id = last.id AND last.seen_at < told.at
       AND (last.balance, last.spent) IS NOT DISTINCT FROM (told.balance, told.spent)
    RETURNING r.id
)
INSERT INTO purse_readings (provider, fingerprint, balance, spent, at, seen_at)
SELECT provider, fingerprint, balance, spent, at, at FROM told
 WHERE NOT EXISTS (SELECT FROM same) AND NOT EXISTS (SELECT FROM last WHERE seen_at >= told.at)
""")

NEWEST = text("""
SELECT r.provider, r.fingerprint, r.balance, r.seen_at
  FROM unnest(CAST(:providers AS text[]), CAST(:fingerprints AS text[])) AS k (provider, fingerprint), LATERAL (
       SELECT * FROM purse_readings WHERE provider = k.provider AND fingerprint = k.fingerprint
        ORDER BY id DESC LIMIT 1) r
""")


async def keep_reading(
    db: AsyncSession, *, provider: str, fingerprint: str, left: Decimal | None, spent: Decimal | None, at: datetime
) -> None:
    """Keep what a provider told; `at` is when it was asked."""
    values = {"provider": provider, "fingerprint": fingerprint, "left": left, "spent": spent, "at": at}
    await db.execute(KEEP, values)


async def newest_readings(db: AsyncSession, keys: Mapping[str, Sequence[str]]) -> list[PurseView]:
    """The newest reading of each of these keys (fingerprints by provider) that has one."""
    pairs = [(provider, fingerprint) for provider, fingerprints in keys.items() for fingerprint in fingerprints]
    values = {"providers": [pair[0] for pair in pairs], "fingerprints": [pair[1] for pair in pairs]}
    return [PurseView(*row) for row in await db.execute(NEWEST, values)]


async def purses_seen(db: AsyncSession, since: datetime) -> list[PurseView]:
    """The newest reading of every purse that was told of since then, keys that are configured no more included."""
    newest = (
        select(PurseReading)
        .where(PurseReading.seen_at >= since)
        .ext(distinct_on(PurseReading.provider, PurseReading.fingerprint))
        .order_by(PurseReading.provider, PurseReading.fingerprint, PurseReading.id.desc())
    )
    return [PurseView(it.provider, it.fingerprint, it.left, it.seen_at) for it in await db.scalars(newest)]


async def read_loss(db: AsyncSession, purse: PurseView, wanted: Span) -> Loss | None:
    """What the purse lost in the wanted time, as far as readings cover it; None where there are not two of them.

    It begins with what was known at the beginning, which may have been told somewhat before.
    """
    ours = (PurseReading.provider == purse.provider, PurseReading.fingerprint == purse.fingerprint)
    before = select(PurseReading).where(*ours, PurseReading.at <= wanted.since).order_by(PurseReading.id.desc())
    first = await db.scalar(before.limit(1))
    within = select(PurseReading).where(*ours, PurseReading.at > wanted.since, PurseReading.at <= wanted.until)
    readings = [*([first] if first else []), *await db.scalars(within.order_by(PurseReading.id))]
    if not readings:
        return None
    since = max(readings[0].at, min(readings[0].seen_at, wanted.since))
    span = Span(since, min(readings[-1].seen_at, wanted.until))
    return _add_up(readings, span) if span.since < span.until else None


def _add_up(readings: Sequence[PurseReading], span: Span) -> Loss:
    lost, filled = ZERO, []
    for earlier, later in pairwise(readings):
        step = _step(earlier, later)
        if step is None or step < 0:
            filled.append(Span(max(earlier.seen_at, span.since), later.at))
        else:
            lost += step
    return Loss(span, lost, filled)


def _step(earlier: PurseReading, later: PurseReading) -> Decimal | None:
    """What was spent between two readings; negative where the purse was filled, None where nobody knows."""
    if earlier.spent is not None and later.spent is not None:
        return later.spent - earlier.spent
    if earlier.left is not None and later.left is not None:
        return earlier.left - later.left
    return None

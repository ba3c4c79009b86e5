"""What jobs earned and what their paid calls cost, for the operator's report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# What the provider says that a call cost, else what its list says of a task that it took. Of a call whose answer was
# lost nobody knows.
COST = "coalesce(a.cost, CASE WHEN a.outcome IN ('accepted', 'done') THEN j.listed_cost END)"

ENDED = text("""
SELECT service, count(*) FILTER (WHERE state = 'succeeded'), count(*) FILTER (WHERE state = 'failed'),
       count(*) FILTER (WHERE state = 'cancelled'), sum(credits_used)
  FROM jobs WHERE ended_at >= :since AND ended_at < :until GROUP BY service ORDER BY service
""")

PAID = text(f"""
SELECT j.service, a.provider, coalesce(sum({COST}), 0),
       coalesce(sum({COST}) FILTER (WHERE j.state <> 'succeeded'), 0),
       count(*) FILTER (WHERE a.cost IS NULL AND {COST} IS NOT NULL),
       count(*) FILTER (WHERE {COST} IS NULL AND a.outcome IN ('accepted', 'done', 'lost'))
  FROM jobs j JOIN job_attempts a ON a.job_id = j.id
 WHERE j.ended_at >= :since AND j.ended_at < :until GROUP BY j.service, a.provider ORDER BY j.service, a.provider
""")  # noqa: S608 - the expression is ours

BOOKED = text(f"""
SELECT coalesce(sum({COST}), 0) FROM job_attempts a JOIN jobs j ON j.id = a.job_id
 WHERE a.provider = :provider AND a.provider_key = :fingerprint AND a.created_at > :since AND a.created_at <= :until
""")  # noqa: S608

# What a provider will take, or has taken since it last told what is left: a task that nobody knows of counts, too.
WAITING = text("""
SELECT lane, sum(listed_cost) FROM jobs
 WHERE ended_at IS NULL AND state = 'queued' AND lane = ANY(:providers) AND listed_cost IS NOT NULL GROUP BY lane
""")
BEGUN = text("""
SELECT a.provider, a.provider_key, sum(coalesce(a.cost, j.listed_cost))
  FROM unnest(CAST(:providers AS text[]), CAST(:fingerprints AS text[]), CAST(:instants AS timestamptz[]))
       AS k (provider, fingerprint, since)
  JOIN job_attempts a ON a.provider = k.provider AND a.provider_key = k.fingerprint AND a.created_at > k.since
  LEFT JOIN jobs j ON a.cost IS NULL AND a.outcome <> 'refused' AND j.id = a.job_id
 WHERE a.cost IS NOT NULL OR j.listed_cost IS NOT NULL GROUP BY a.provider, a.provider_key
""")


@dataclass(frozen=True)
class EndedJobs:
    """The jobs of a service that ended in a time, by how they did, and the credits that they were charged."""

    service: str
    succeeded: int
    failed: int
    cancelled: int
    credits: Decimal


@dataclass(frozen=True)
class PaidCalls:
    """What those jobs' calls to a provider cost, in its unit.

    `lost` of it went to jobs that did not succeed. `by_list` calls are counted by the provider's list, as it named no
    cost; of `unknown` ones not even that is known, and they count as nothing.
    """

    service: str
    provider: str
    cost: Decimal
    lost: Decimal
    by_list: int
    unknown: int


async def count_ended(db: AsyncSession, since: datetime, until: datetime) -> Sequence[EndedJobs]:
    """Each service with jobs that ended from `since` on and before `until`."""
    return [EndedJobs(*row) for row in await db.execute(ENDED, {"since": since, "until": until})]


async def count_paid(db: AsyncSession, since: datetime, until: datetime) -> Sequence[PaidCalls]:
    """The calls of all jobs that ended from `since` on and before `until`, by service and provider."""
    return [PaidCalls(*row) for row in await db.execute(PAID, {"since": since, "until": until})]


async def booked_under(
    db: AsyncSession, provider: str, fingerprint: str, *, since: datetime, until: datetime
) -> Decimal:
    """What the calls cost that were begun under this key after `since`, up to and with `until`, in its unit."""
    values = {"provider": provider, "fingerprint": fingerprint, "since": since, "until": until}
    return Decimal(await db.scalar(BOOKED, values) or 0)


async def cost_of_waiting(db: AsyncSession, providers: Sequence[str]) -> Mapping[str, Decimal]:
    """What the tasks that wait to be sent to each of these providers cost by its list, in its unit."""
    return {row[0]: row[1] for row in await db.execute(WAITING, {"providers": list(providers)})}


async def cost_of_begun(
    db: AsyncSession, since: Mapping[tuple[str, str], datetime]
) -> Mapping[tuple[str, str], Decimal]:
    """What the calls cost that were begun since then under each key (provider and fingerprint), in its unit."""
    values = {
        "providers": [key[0] for key in since], "fingerprints": [key[1] for key in since],
        "instants": list(since.values()),
    }
    return {(row[0], row[1]): row[2] for row in await db.execute(BEGUN, values)}

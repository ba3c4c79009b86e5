"""The proof: what must always be true of money, one query each. `phaya audit` runs them and prints what breaks."""

from dataclasses import dataclass

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

# Each query lists what breaks its rule: an id and a sentence. They read one snapshot (see `audit`).
RULES: dict[str, str] = {
    "balance_is_sum_of_entries": """
        SELECT b.account_id, format('balance %s, entries %s', b.balance, coalesce(e.total, 0))
          FROM balances b LEFT JOIN (SELECT account_id, sum(amount) AS total FROM ledger_entries GROUP BY 1) e
            USING (account_id)
         WHERE b.balance <> coalesce(e.total, 0)""",
    "versions_without_gap": """
        SELECT b.account_id, format('version %s, entries %s to %s', b.version, e.count, e.last)
          FROM balances b LEFT JOIN
               (SELECT account_id, count(*) AS count, max(version) AS last FROM ledger_entries GROUP BY 1) e
            USING (account_id)
         WHERE (b.version, b.version) IS DISTINCT FROM (coalesce(e.count, 0), coalesce(e.last, 0))""",
    "balance_after_is_running_sum": """
        SELECT id, format('account %s: balance_after %s, running sum %s', account_id, balance_after, running)
          FROM (SELECT id, account_id, balance_after,
                       sum(amount) OVER (PARTITION BY account_id ORDER BY version) AS running FROM ledger_entries) e
         WHERE balance_after <> running""",
    "available_is_balance_less_deferred_holds": """
        SELECT b.account_id, format('available %s, balance %s, deferred %s', b.available, b.balance,
                                    coalesce(h.total, 0))
          FROM balances b LEFT JOIN (SELECT account_id, sum(amount) AS total FROM holds
                                      WHERE state = 'open' AND kind = 'deferred' GROUP BY 1) h USING (account_id)
         WHERE b.available <> b.balance - coalesce(h.total, 0)""",
    "nothing_negative": """
        SELECT account_id, format('balance %s, available %s', balance, available) FROM balances
         WHERE balance < 0 OR available < 0""",
    "holds_match_their_entries": """
        SELECT h.id, format('%s hold of %s, captured %s, state %s: entries sum to %s', h.kind, h.amount, h.captured,
                            h.state, coalesce(e.total, 0))
          FROM holds h LEFT JOIN (SELECT hold_id, sum(amount) AS total FROM ledger_entries
                                   WHERE hold_id IS NOT NULL GROUP BY 1) e ON e.hold_id = h.id
         WHERE coalesce(e.total, 0) <> CASE WHEN h.state <> 'open' THEN -h.captured
                                            WHEN h.kind = 'visible' THEN -h.amount ELSE 0 END""",
    "key_spending_matches_holds": """
        SELECT k.key_id, format('spent %s, holds %s', k.spent, coalesce(h.total, 0))
          FROM key_budgets k LEFT JOIN
               (SELECT key_id, sum(CASE state WHEN 'open' THEN amount ELSE captured END) AS total FROM holds GROUP BY 1)
               h USING (key_id)
         WHERE k.spent <> coalesce(h.total, 0)""",
    "ended_jobs_have_resolved_holds": """
        SELECT j.id, format('%s job with an open hold of %s', j.state, h.amount)
          FROM jobs j JOIN holds h ON h.job_id = j.id WHERE j.ended_at IS NOT NULL AND h.state = 'open'""",
    "live_jobs_have_an_open_hold": """
        SELECT j.id, format('%s job without an open hold', j.state) FROM jobs j
         WHERE j.ended_at IS NULL AND NOT EXISTS (SELECT FROM holds h WHERE h.job_id = j.id AND h.state = 'open')""",
    "ends_match_their_money": """
        SELECT j.id, format('%s job: credits_used %s, captured %s', j.state, j.credits_used, h.captured)
          FROM jobs j JOIN (SELECT job_id, sum(captured) AS captured FROM holds GROUP BY 1) h ON h.job_id = j.id
         WHERE j.ended_at IS NOT NULL AND j.credits_used <> h.captured
            OR j.state IN ('failed', 'cancelled') AND h.captured > 0""",
    "every_job_was_held_for": """
        SELECT j.id, 'job without any hold' FROM jobs j
         WHERE NOT EXISTS (SELECT FROM holds h WHERE h.job_id = j.id)""",
    "nothing_overdue": """
        SELECT id, format('%s job past its deadline %s', state, deadline_at) FROM jobs
         WHERE ended_at IS NULL AND deadline_at < now() - interval '60 seconds'""",
}


@dataclass(frozen=True)
class Violation:
    """One row that breaks one rule."""

    rule: str
    subject: str
    detail: str


async def audit(db: AsyncSession) -> list[Violation]:
    """Run every rule. An empty list means that the money is right.

    The caller's transaction must be REPEATABLE READ, so that all rules see one moment; jobs may go on meanwhile.
    """
    found: list[Violation] = []
    for rule, query in RULES.items():
        found += [Violation(rule, str(row[0]), row[1]) for row in await db.execute(text(query))]
    return found

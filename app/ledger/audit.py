"""The proof: what must always be true of money, one query each. `phaya audit` runs them and prints what breaks."""

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from sqlalchemy import extract, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.ledger.models import AuditRun

# Each query lists what breaks its rule: an id and a sentence. They read one snapshot (see `audit`).
RULES: dict[str, str] = {
    "balance_is_sum_of_entries": """
        SELECT a.id, format('balance %s, entries %s', coalesce(b.balance::text, 'missing'), coalesce(e.total, 0))
          FROM accounts a LEFT JOIN balances b ON b.account_id = a.id
               LEFT JOIN (SELECT account_id, sum(amount) AS total FROM ledger_entries GROUP BY 1) e
               ON e.account_id = a.id
         WHERE b.balance IS DISTINCT FROM coalesce(e.total, 0)""",
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
    "entries_have_their_cause": """
        SELECT e.id, format('%s of %s for hold %s of account %s', e.kind, e.amount, e.hold_id, e.account_id)
          FROM ledger_entries e LEFT JOIN holds h ON h.id = e.hold_id
         WHERE CASE WHEN e.kind IN ('topup', 'correction') THEN e.hold_id IS NOT NULL OR e.key IS NULL
                    ELSE (e.account_id, e.job_id) IS DISTINCT FROM (h.account_id, h.job_id) END""",
    "entries_have_their_sign": """
        SELECT id, format('%s of %s', kind, amount) FROM ledger_entries
         WHERE CASE kind WHEN 'debit' THEN amount >= 0 WHEN 'correction' THEN amount = 0 ELSE amount <= 0 END""",
    "holds_match_their_entries": """
        SELECT h.id, format('%s hold of %s, captured %s, state %s: entries sum to %s', h.kind, h.amount, h.captured,
                            h.state, coalesce(e.total, 0))
          FROM holds h LEFT JOIN (SELECT hold_id, sum(amount) AS total FROM ledger_entries
                                   WHERE hold_id IS NOT NULL GROUP BY 1) e ON e.hold_id = h.id
         WHERE coalesce(e.total, 0) <> CASE WHEN h.state <> 'open' THEN -h.captured
                                            WHEN h.kind = 'visible' THEN -h.amount ELSE 0 END""",
    "released_holds_captured_nothing": """
        SELECT id, format('captured %s of %s', captured, amount) FROM holds
         WHERE state <> 'captured' AND captured > 0""",
    "key_spending_matches_holds": """
        SELECT k.id, format('spent %s, holds %s', coalesce(b.spent::text, 'missing'), coalesce(h.total, 0))
          FROM api_keys k LEFT JOIN key_budgets b ON b.key_id = k.id
               LEFT JOIN
               (SELECT key_id, sum(CASE state WHEN 'open' THEN amount ELSE captured END) AS total FROM holds GROUP BY 1)
               h ON h.key_id = k.id
         WHERE b.spent IS DISTINCT FROM coalesce(h.total, 0)""",
    "holds_are_their_jobs": """
        SELECT h.id, format('hold of account %s, key %s; job of account %s, key %s', h.account_id, h.key_id,
                            j.account_id, j.key_id)
          FROM holds h LEFT JOIN jobs j ON j.id = h.job_id
         WHERE (h.account_id, h.key_id) IS DISTINCT FROM (j.account_id, j.key_id)""",
    "ended_jobs_have_resolved_holds": """
        SELECT j.id, format('%s job with an open hold of %s', j.state, h.amount)
          FROM jobs j JOIN holds h ON h.job_id = j.id WHERE j.ended_at IS NOT NULL AND h.state = 'open'""",
    "live_jobs_have_an_open_hold": """
        SELECT j.id, format('%s job without an open hold', j.state) FROM jobs j
         WHERE j.ended_at IS NULL AND NOT EXISTS (SELECT FROM holds h WHERE h.job_id = j.id AND h.state = 'open')""",
    "every_job_was_held_for": """
        SELECT j.id, 'job without any hold' FROM jobs j
         WHERE NOT EXISTS (SELECT FROM holds h WHERE h.job_id = j.id)""",
    "ends_match_their_money": """
        SELECT j.id, format('%s job: credits_used %s, captured %s', j.state, j.credits_used, h.captured)
          FROM jobs j JOIN (SELECT job_id, sum(captured) AS captured FROM holds GROUP BY 1) h ON h.job_id = j.id
         WHERE j.ended_at IS NOT NULL
           AND (j.credits_used <> h.captured OR j.state IN ('failed', 'cancelled') AND h.captured > 0)""",
    "ends_have_their_instant": """
        SELECT id, format('%s job, ended at %s', state, ended_at) FROM jobs
         WHERE (state IN ('succeeded', 'failed', 'cancelled')) <> (ended_at IS NOT NULL)""",
    "guards_are_in_place": """
        SELECT name, 'this guard of the ledger is missing or switched off' FROM unnest(ARRAY[
                'ledger_entries_hold_kind_key', 'ledger_entries_account_version_key', 'ledger_entries_key_key',
                'balances_available_not_negative_check', 'balances_available_within_balance_check',
                'holds_captured_within_amount_check', 'key_budgets_spent_not_negative_check']) AS name
         WHERE NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conname = name AND c.convalidated)
        UNION ALL
        SELECT name, 'this guard of the ledger is missing or switched off'
          FROM unnest(ARRAY['ledger_entries_append_only', 'job_events_append_only', 'admin_acts_append_only']) AS name
         WHERE NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgname = name AND t.tgenabled <> 'D')""",
    "nothing_overdue": """
        SELECT id, format('%s job past its deadline %s', state, deadline_at) FROM jobs
         WHERE ended_at IS NULL AND deadline_at < now() - interval '60 seconds'""",
}


# What the rules look at: a clean audit of nothing proves nothing.
COUNT = """
SELECT (SELECT count(*) FROM accounts) AS accounts, (SELECT count(*) FROM ledger_entries) AS entries,
       (SELECT count(*) FROM holds) AS holds, (SELECT count(*) FROM jobs) AS jobs,
       (SELECT coalesce(sum(balance), 0) FROM balances) AS balance
"""
# Of what breaks one rule, this many rows are named.
NAME_MOST = 100


@dataclass(frozen=True)
class Violation:
    """One row that breaks one rule."""

    rule: str
    subject: str
    detail: str


@dataclass(frozen=True)
class AuditReport:
    """What breaks, at most `NAME_MOST` rows for each rule, and how much was looked at. `balance` is in credits."""

    violations: list[Violation]
    accounts: int
    entries: int
    holds: int
    jobs: int
    balance: Decimal

    @property
    def is_clean(self) -> bool:
        return not self.violations


@dataclass(frozen=True)
class AuditRunView:
    """What the last run by the clock found, and how many seconds ago that was by Postgres' clock."""

    violations: int
    at: datetime
    age_s: float = field(compare=False)


async def record_audit(db: AsyncSession, report: AuditReport) -> None:
    """Write down that the audit ran."""
    await db.execute(insert(AuditRun).values(violations=len(report.violations), entries=report.entries))


async def find_last_audit(db: AsyncSession) -> AuditRunView | None:
    """The last recorded run; None before the first."""
    age_s = extract("epoch", func.now() - AuditRun.at)
    query = select(AuditRun.violations, AuditRun.at, age_s).order_by(AuditRun.id.desc()).limit(1)
    run = (await db.execute(query)).one_or_none()
    return None if run is None else AuditRunView(run[0], run[1], float(run[2]))


async def audit(db: AsyncSession) -> AuditReport:
    """Run every rule.

    The caller's transaction must be REPEATABLE READ, so that all rules see one moment; jobs may go on meanwhile.
    """
    found: list[Violation] = []
    for rule, query in RULES.items():
        some = f"SELECT * FROM ({query}) AS broken LIMIT {NAME_MOST}"  # noqa: S608 (the rules are ours)
        rows = await db.execute(text(some))
        found += [Violation(rule, str(row[0]), row[1]) for row in rows]
    seen = (await db.execute(text(COUNT))).one()
    return AuditReport(found, *seen)

"""The only package that moves credits: hold, capture, release, grant, correct, and the audit that proves the sums.

    create      hold      sets credits aside; a visible hold writes its debit at once, a deferred one does not
    success     capture   keeps at most what was held; the rest goes back
    failure     release   gives all of it back
    operator    grant     adds credits;  correct  sets a mistake right by another entry

It knows nothing of services and providers. The hold of a create is made by the SQL function `ledger_hold`
(migrations/), in the same statement as the job; `ledger_resolve` beside it is the one way out of a hold.
"""

from app.ledger.audit import AuditReport, AuditRunView, Violation, audit, find_last_audit, record_audit
from app.ledger.book import (
    Adjustment,
    capture,
    correct,
    find_affordable,
    grant,
    hold_more,
    open_account,
    open_key,
    release,
    set_key_limit,
    shortage,
)
from app.ledger.models import EntryKind, HoldKind, HoldState
from app.ledger.reading import (
    BalanceView,
    EntryView,
    HoldView,
    Totals,
    add_up,
    find_balance,
    find_balances,
    list_entries,
    list_holds,
    spent_by_keys,
)

__all__ = [
    "Adjustment",
    "AuditReport",
    "AuditRunView",
    "BalanceView",
    "EntryKind",
    "EntryView",
    "HoldKind",
    "HoldState",
    "HoldView",
    "Totals",
    "Violation",
    "add_up",
    "audit",
    "capture",
    "correct",
    "find_affordable",
    "find_balance",
    "find_balances",
    "find_last_audit",
    "grant",
    "hold_more",
    "list_entries",
    "list_holds",
    "open_account",
    "open_key",
    "record_audit",
    "release",
    "set_key_limit",
    "shortage",
    "spent_by_keys",
]

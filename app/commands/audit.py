"""`phaya audit` and `phaya acts`."""

import sys

import click

from app.commands.operator import after_number, as_json, limit, print_json, print_more, print_table, reading, run


@click.command()
@as_json
def audit(*, as_json: bool) -> None:
    """Prove the sums: run every rule of the ledger, print what breaks, and exit with 1 if anything does."""
    from app.api.admin.schemas import AuditAnswer
    from app.ledger.audit import RULES
    from app.services.audit_ledger import audit_ledger

    report = run(audit_ledger)
    if as_json:
        print_json(AuditAnswer.model_validate(report))
    elif report.is_clean:
        click.echo(f"{len(RULES)} rules hold")
    else:
        print_table(("RULE", "SUBJECT", "DETAIL"), [(it.rule, it.subject, it.detail) for it in report.violations])
    if not as_json:
        click.echo(
            f"{report.accounts} accounts with {report.balance.normalize() + 0:f} credits, {report.entries} entries, "
            f"{report.holds} holds, {report.jobs} jobs"
        )
    sys.exit(0 if report.is_clean else 1)


@click.command()
@limit
@after_number
@as_json
def acts(limit: int, after: int | None, *, as_json: bool) -> None:
    """What admins did, newest first."""
    from app.accounts.listing import list_acts
    from app.api.admin.asking import cut
    from app.api.admin.schemas import Act, Page

    page, last = cut(reading(lambda db: list_acts(db, limit=limit + 1, before=after)), limit)
    if as_json:
        print_json(Page[Act].model_validate({"items": page, "next": last and last.id}))
        return
    print_table(
        ("ACT", "AT", "ACTOR", "WHAT", "SUBJECT", "DETAIL"),
        [(it.id, it.at, it.actor, it.act, it.subject, it.detail) for it in page],
    )
    print_more(page, last and last.id)

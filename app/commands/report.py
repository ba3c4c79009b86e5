"""`phaya report`."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from app.commands.operator import as_json, find_settings, print_json, print_table, run

if TYPE_CHECKING:
    from app.services.report import Report

INSTANT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"])


@click.command()
@click.option("--since", type=INSTANT, help="In UTC.  [default: a day before --until]")
@click.option("--until", type=INSTANT, help="In UTC.  [default: now]")
@as_json
def report(since: datetime | None, until: datetime | None, *, as_json: bool) -> None:
    """What services earned and cost, what is left with providers, and whether our books agree with theirs."""
    from app.api.admin.schemas import ReportAnswer
    from app.services.report import make_report

    settings = find_settings()
    made = run(lambda database: make_report(
        database, settings, since=since and since.replace(tzinfo=UTC), until=until and until.replace(tzinfo=UTC)
    ))
    if as_json:
        print_json(ReportAnswer.model_validate(made))
    else:
        _print(made)


def _print(report: "Report") -> None:
    click.echo(f"Jobs that ended from {report.since:%Y-%m-%d %H:%M:%SZ} to {report.until:%Y-%m-%d %H:%M:%SZ}\n")
    print_table(
        ("SERVICE", "PROVIDER", "DONE", "FAILED", "CANCELLED", "CREDITS", "USD", "COST", "COST USD", "MARGIN USD",
         "LOST USD", "BY LIST", "UNKNOWN", "BELOW COST"),
        [(it.service, it.provider, it.succeeded, it.failed, it.cancelled, it.credits, it.earned_usd, it.cost,
          it.cost_usd, it.margin_usd, it.lost_usd, it.by_list, it.unknown, it.below_cost) for it in report.services],
    )
    click.echo()
    print_table(
        ("PROVIDER", "KEY", "LEFT", "LEAST", "LOW", "TOLD", "LOST", "BOOKED", "DRIFT", "COMPARED FROM", "TO"),
        [(it.provider, it.fingerprint, it.left, it.least, it.is_low, it.seen_at, it.lost, it.booked, it.drift,
          it.since, it.until) for it in report.purses],
    )
    if report.days:
        click.echo()
        print_table(
            ("DAY", "PROVIDER", "KEY", "LOST", "BOOKED", "DRIFT"),
            [(it.day, it.provider, it.fingerprint, it.lost, it.booked, it.drift) for it in report.days],
        )
    click.echo(
        f"\nEarned {report.earned_usd.normalize():f} USD, paid {report.cost_usd.normalize():f} USD, margin "
        f"{report.margin_usd.normalize():f} USD. {report.unclear} jobs are unclear, {report.flagged} flagged."
    )

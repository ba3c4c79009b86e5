"""`phaya job`."""

from typing import TYPE_CHECKING
from uuid import UUID

import click

from app.commands.operator import (
    ACTOR,
    after_id,
    as_json,
    changing,
    checked,
    find_account_id,
    limit,
    print_fields,
    print_json,
    print_more,
    print_table,
    reading,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.ext.asyncio import AsyncSession

    from app.jobs.models import Job as JobRow

STATES = ("queued", "submitting", "running", "storing", "unclear", "succeeded", "failed", "cancelled")
SHOWN = ("id", "account_id", "key_id", "service", "lane", "state", "credits", "credits_used", "progress", "reason",
         "error", "is_flagged", "created_at", "deadline_at", "ended_at")


@click.group()
def job() -> None:
    """Read, cancel and settle jobs."""


@job.command(name="list")
@click.option("--state", type=click.Choice(STATES))
@click.option("--service", help="A service's id.")
@click.option("--account", help="An account's id or e-mail.")
@click.option("--flagged", is_flag=True, help="Those that ask for an operator's look.")
@limit
@after_id
@as_json
def list_(
    *, state: str | None, service: str | None, account: str | None, flagged: bool, limit: int, after: UUID | None,
    as_json: bool,
) -> None:
    """Jobs of all accounts, newest first."""
    from app.api.admin.asking import cut
    from app.api.admin.schemas import Job, Page
    from app.jobs.listing import JobFilter, list_jobs
    from app.jobs.states import JobState

    async def find(db: "AsyncSession") -> "Sequence[JobRow]":
        wanted = JobFilter(
            state=JobState(state) if state else None, service=service, is_flagged=True if flagged else None,
            account_id=await find_account_id(db, account) if account else None,
        )
        return await list_jobs(db, wanted, limit=limit + 1, before=after)

    page, last = cut(reading(find), limit)
    if as_json:
        print_json(Page[Job].model_validate({"items": page, "next": last and last.id}))
        return
    print_table(
        ("JOB", "CREATED", "ACCOUNT", "SERVICE", "STATE", "CREDITS", "USED", "FLAGGED", "ERROR"),
        [(it.id, it.created_at, it.account_id, it.service, it.state, it.credits, it.credits_used, it.is_flagged,
          it.error) for it in page],
    )
    print_more(page, last and last.id)


@job.command()
@click.argument("job_id", type=click.UUID)
@as_json
def show(job_id: UUID, *, as_json: bool) -> None:
    """JOB_ID with its moves, paid calls and holds."""
    from app.api.admin.schemas import JobAnswer
    from app.services.admin_views import view_job

    dossier = reading(lambda db: view_job(db, job_id))
    if as_json:
        print_json(JobAnswer.of(dossier))
        return
    print_fields({name: getattr(dossier.job, name) for name in SHOWN})
    click.echo("\nMoves")
    print_table(("AT", "FROM", "TO", "DETAIL"), [(it.at, it.source, it.target, it.detail) for it in dossier.events])
    click.echo("\nPaid calls")
    print_table(
        ("AT", "PROVIDER", "KEY", "TASK", "OUTCOME", "COST", "DETAIL"),
        [(it.created_at, it.provider, it.provider_key, it.task_id, it.outcome, it.cost, it.detail)
         for it in dossier.attempts],
    )
    click.echo("\nHolds")
    print_table(
        ("AT", "KIND", "STATE", "AMOUNT", "CAPTURED"),
        [(it.created_at, it.kind, it.state, it.amount, it.captured) for it in dossier.holds],
    )


@job.command()
@click.argument("job_id", type=click.UUID)
@as_json
def cancel(job_id: UUID, *, as_json: bool) -> None:
    """End JOB_ID and give its credits back; what the provider makes of it later changes nothing."""
    from app.api.admin.schemas import CancelAnswer
    from app.services.cancel_job import cancel_for_operator

    state = changing(lambda db: cancel_for_operator(db, job_id, actor=ACTOR))
    if as_json:
        print_json(CancelAnswer(job_id=job_id, state=state))
    else:
        click.echo(f"The job is {state}")


@job.command()
@click.argument("job_id", type=click.UUID)
@click.option("--succeeded/--failed", "has_succeeded", required=True, default=None, help="What the provider says.")
@click.option("--task", "task_id", help="The provider's id of the task that was done.")
@click.option("--note", required=True, help="How that was found out; kept with the act.")
@as_json
def resolve(job_id: UUID, *, has_succeeded: bool, task_id: str | None, note: str, as_json: bool) -> None:
    """Settle JOB_ID, whose answer was lost or which is flagged (docs/decisions/0009-late-success.md)."""
    from app.api.admin.schemas import Resolution, ResolveAnswer
    from app.services.resolve_job import Finding, resolve_job

    outcome = "succeeded" if has_succeeded else "failed"
    asked = checked(Resolution, outcome=outcome, task_id=task_id, note=note)
    finding = Finding(has_succeeded, asked.note, asked.task_id)
    state = changing(lambda db: resolve_job(db, job_id, finding, actor=ACTOR))
    if as_json:
        print_json(ResolveAnswer(job_id=job_id, state=state))
    else:
        click.echo("Its task is taken up" if state == "unclear" else f"The job is {state}")

"""Jobs, the ledger, rates, the report, and the record of what admins did."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime

from app import ledger
from app.accounts.listing import list_acts
from app.api.admin import schemas
from app.api.admin.asking import AccountId, After, AfterNumber, JobId, Limit, body_of, cut, described
from app.api.deps import Admin, BrokerDep
from app.api.schemas import error_responses
from app.jobs.listing import JobFilter, list_jobs
from app.jobs.states import JobState
from app.services import admin_rates, admin_views
from app.services.audit_ledger import audit_ledger
from app.services.cancel_job import cancel_for_operator
from app.services.report import make_report
from app.services.resolve_job import Finding, resolve_job

router = APIRouter(tags=["Admin: operations"])


def wanted_jobs(
    state: JobState | None = None,
    service: Annotated[str | None, Query(pattern="^[a-z0-9-]+$", max_length=100)] = None,
    account_id: AccountId | None = None,
    flagged: Annotated[bool | None, Query(description="Those that ask for an operator's look")] = None,
) -> JobFilter:
    """Which jobs the query string asks for."""
    return JobFilter(state=state, service=service, account_id=account_id, is_flagged=flagged)


@router.get("/jobs", summary="Jobs of all accounts, newest first", responses=error_responses(404, 422))
async def get_jobs(
    broker: BrokerDep, key: Admin, wanted: Annotated[JobFilter, Depends(wanted_jobs)], limit: Limit = 50,
    after: After = None,
) -> schemas.Page[schemas.Job]:
    async with broker.db.statement() as db:
        page, last = cut(await list_jobs(db, wanted, limit=limit + 1, before=after), limit)
    return schemas.Page[schemas.Job].model_validate({"items": page, "next": last and last.id})


@router.get("/jobs/{job_id}", summary="A job with its moves, paid calls and holds", responses=error_responses(404))
async def get_job(broker: BrokerDep, key: Admin, job_id: JobId) -> schemas.JobAnswer:
    async with broker.db.statement() as db:
        return schemas.JobAnswer.of(await admin_views.view_job(db, job_id))


@router.post(
    "/jobs/{job_id}/cancel", summary="Cancel a job and give its credits back", responses=error_responses(404)
)
async def cancel_job(broker: BrokerDep, key: Admin, job_id: JobId) -> schemas.CancelAnswer:
    async with broker.db.transaction() as db:
        state = await cancel_for_operator(db, job_id, actor=str(key.id))
    return schemas.CancelAnswer(job_id=job_id, state=state)


@router.post(
    "/jobs/{job_id}/resolve", summary="Settle a job whose answer was lost, or that is flagged",
    openapi_extra=described(schemas.Resolution), responses=error_responses(400, 404, 409, 413, 422),
)
async def post_resolution(
    broker: BrokerDep, key: Admin, job_id: JobId,
    body: Annotated[schemas.Resolution, Depends(body_of(schemas.Resolution))],
) -> schemas.ResolveAnswer:
    finding = Finding(body.outcome == "succeeded", body.note, body.task_id)
    async with broker.db.transaction() as db:
        state = await resolve_job(db, job_id, finding, actor=str(key.id))
    return schemas.ResolveAnswer(job_id=job_id, state=state)


@router.get("/ledger", summary="Entries, newest first", responses=error_responses(404, 422))
async def get_ledger(
    broker: BrokerDep, key: Admin, limit: Limit = 50, after: AfterNumber = None,
    account_id: AccountId | None = None,
) -> schemas.Page[schemas.Entry]:
    async with broker.db.statement() as db:
        entries = await ledger.list_entries(db, account_id, limit=limit + 1, before=after)
    page, last = cut(entries, limit)
    return schemas.Page[schemas.Entry].model_validate({"items": page, "next": last and last.id})


@router.get("/rates", summary="Every rate in force, beside the catalogue's")
async def get_rates(broker: BrokerDep, key: Admin) -> schemas.RatesAnswer:
    async with broker.db.statement() as db:
        return schemas.RatesAnswer.model_validate({"items": await admin_rates.list_rates(db)})


@router.put(
    "/rates/{service}/{name:path}", summary="Set a rate for what is created from now on",
    openapi_extra=described(schemas.NewRate), responses=error_responses(400, 404, 413, 422),
)
async def put_rate(
    broker: BrokerDep, key: Admin, service: str, name: str,
    body: Annotated[schemas.NewRate, Depends(body_of(schemas.NewRate))],
) -> schemas.RateAnswer:
    async with broker.db.transaction() as db:
        version = await admin_rates.set_rate(
            db, actor=str(key.id), service=service, name=name, value=body.value
        )
    broker.rates.forget()
    return schemas.RateAnswer(service=service, name=name, value=body.value, version=version)


@router.get("/acts", summary="What admins did, newest first", responses=error_responses(422))
async def get_acts(
    broker: BrokerDep, key: Admin, limit: Limit = 50, after: AfterNumber = None
) -> schemas.Page[schemas.Act]:
    async with broker.db.statement() as db:
        page, last = cut(await list_acts(db, limit=limit + 1, before=after), limit)
    return schemas.Page[schemas.Act].model_validate({"items": page, "next": last and last.id})


@router.get("/audit", summary="Run the audit of the ledger now")
async def get_audit(broker: BrokerDep, key: Admin) -> schemas.AuditAnswer:
    return schemas.AuditAnswer.model_validate(await audit_ledger(broker.db))


@router.get("/report", summary="What services earned and cost, and what is left with providers",
            responses=error_responses(422))
async def get_report(
    broker: BrokerDep, key: Admin,
    since: Annotated[AwareDatetime | None, Query(description="Without it, a day before `until`")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Without it, now")] = None,
) -> schemas.ReportAnswer:
    report = await make_report(broker.db, broker.settings, since=since, until=until)
    return schemas.ReportAnswer.model_validate(report)

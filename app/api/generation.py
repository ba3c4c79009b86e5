"""The routes of the media services, made from the catalogue: create, status, history, cancel, callback."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from app.accounts.keys import KeyRecord
from app.api.answers import REPLAYED, json_answer
from app.api.deps import (
    Caller,
    authenticate,
    broker_of,
    idempotency_of,
    parse_as,
    read_body,
    require_scope,
)
from app.api.hot import HotRoutes
from app.api.schemas import (
    DONE,
    create_schema,
    creations_schema,
    error_responses,
    history_schema,
    listing_schema,
    object_answer,
    request_body,
    status_operation,
    status_schema,
)
from app.catalog.model import Creations, JobResult, Listing, ResultFile, Service
from app.errors import NotFound
from app.jobs.states import JobState
from app.ledger import HoldKind, find_balance
from app.services.broker import Broker
from app.services.cancel_job import cancel_job
from app.services.submit_job import quote, review_request, submit_job
from app.services.watch_jobs import JobView

PREFIX = "/api/v1"
CREATIONS_MOST = 1_000
MESSAGES = {
    JobState.QUEUED: "Job is waiting",
    JobState.SUCCEEDED: "Job completed",
    JobState.CANCELLED: "Job cancelled",
}


def generation_routes(catalog: Mapping[str, Service], hot: HotRoutes) -> APIRouter:
    """Every route of every service; creates and status reads go to `hot` as well.

    Services that share a status path (the media utilities) share its route.
    """
    router = APIRouter(prefix=PREFIX)
    families: dict[str, list[Service]] = {}
    for service in catalog.values():
        families.setdefault(service.status_path, []).append(service)
        _add_create(router, service, hot)
        if service.is_cancellable:
            _add_cancel(router, service)
        if service.has_history:
            _add_history(router, service)
        if service.creations is not None:
            _add_creations(router, service, service.creations)
        for listing in service.listings:
            _add_listing(router, service, listing)
    for path, services in families.items():
        _add_status(router, path, {service.id: service for service in services}, hot)
    return router


def _add_create(router: APIRouter, service: Service, hot: HotRoutes) -> None:
    async def create(request: Request) -> Response:
        key = await authenticate(request)
        require_scope(key, service.id, service.group)
        body = await read_body(request)
        asked = parse_as(service.request, body)
        broker = broker_of(request)
        idempotency = idempotency_of(request, body)
        message = await review_request(broker, key, service, asked)
        if request.query_params.get("dry_run") == "true":
            return await _dry_run(broker, key, service, asked)
        created = await submit_job(broker, key, service, asked, message=message, idempotency=idempotency)
        if created.is_replay:
            view = await find_own(broker, key, created.job_id, {service.id: service}, now=True)
            return json_answer(_replayed_body(service, view), headers=REPLAYED)
        return json_answer(_fresh_body(service, created.job_id, message, created.credits))

    hot.creates[PREFIX + service.create_path] = create
    router.add_api_route(
        service.create_path, create, methods=["POST"], tags=[service.title], summary=service.summary,
        operation_id=f"{service.id}-{service.verb}",
        openapi_extra=request_body(service) | _dry_run_parameter(),
        responses={200: create_schema(service), **error_responses(400, 401, 402, 403, 409, 413, 422, 429, 503)},
    )


def _dry_run_parameter() -> dict[str, Any]:
    return {"parameters": [
        {"name": "dry_run", "in": "query", "required": False, "schema": {"type": "boolean"},
         "description": "Answer the price and hold nothing"},
        {"name": "Idempotency-Key", "in": "header", "required": False,
         "schema": {"type": "string", "minLength": 1, "maxLength": 255},
         "description": "The same key and body give the same job again, for 7 days"},
    ]}


async def _dry_run(broker: Broker, key: KeyRecord, service: Service, asked: Any) -> Response:
    price = await quote(broker, key, service, asked)
    async with broker.db.statement() as db:
        balance = await find_balance(db, key.account_id)
    return json_answer({
        "success": True, "dry_run": True, "credits": price.credits, "credits_balance": balance.balance,
        "available": balance.available,
    })


def _add_status(router: APIRouter, path: str, services: Mapping[str, Service], hot: HotRoutes) -> None:
    some = next(iter(services.values()))

    async def status(request: Request, job_id: str) -> Response:
        key = await authenticate(request)
        broker = broker_of(request)
        view = await find_own(broker, key, parse_job_id(job_id), services)
        return json_answer(status_body(services[view.service], view, base_url(request)))

    hot.statuses[PREFIX + path.removesuffix("/{job_id}")] = status
    router.add_api_route(
        path, status, methods=["GET"], tags=[some.title], summary="How the job stands",
        operation_id=status_operation(path),
        responses={200: status_schema(list(services.values())), **error_responses(401, 403, 404, 429)},
    )


def _add_cancel(router: APIRouter, service: Service) -> None:
    async def cancel(request: Request, job_id: str) -> Response:
        key = await authenticate(request)
        broker = broker_of(request)
        view = await find_own(broker, key, parse_job_id(job_id), {service.id: service}, now=True)
        if view.has_ended:
            return json_answer(_already(view.state))
        end = await cancel_job(broker, view.id)
        if end is not JobState.CANCELLED:
            return json_answer(_already(end))
        return json_answer({"success": True, "message": "Job cancelled successfully"})

    router.add_api_route(
        f"/{service.id}/cancel/{{job_id}}", cancel, methods=["POST"], tags=[service.title], summary="Cancel the job",
        operation_id=f"{service.id}-cancel",
        responses={200: object_answer(DONE), **error_responses(401, 403, 404, 409, 429)},
    )


def _already(state: JobState) -> dict[str, object]:
    word = {JobState.SUCCEEDED: "completed", JobState.FAILED: "failed", JobState.CANCELLED: "cancelled"}[state]
    return {"success": False, "message": f"Job already {word}"}


def _add_history(router: APIRouter, service: Service) -> None:
    async def history(
        request: Request,
        key: Caller,
        limit: Annotated[int, Query(ge=1, le=100)] = 20,
        offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    ) -> Response:
        require_scope(key, service.id, service.group)
        total, jobs = await broker_of(request).watch.list(
            key.account_id, service.id, fields=["prompt"], limit=limit, offset=offset
        )
        items = [fields | _history_item(service, view, base_url(request)) for view, fields in jobs]
        return json_answer({"success": True, "total": total, "limit": limit, "offset": offset, "items": items})

    router.add_api_route(
        f"/{service.id}/history", history, methods=["GET"], tags=[service.title], summary="Own jobs, newest first",
        operation_id=f"{service.id}-history",
        responses={200: history_schema(service), **error_responses(401, 403, 422, 429)},
    )


def _add_creations(router: APIRouter, service: Service, creations: Creations) -> None:
    async def list_creations(
        request: Request, key: Caller, limit: Annotated[int, Query(ge=1, le=CREATIONS_MOST)] = CREATIONS_MOST
    ) -> Response:
        require_scope(key, service.id, service.group)
        total, jobs = await broker_of(request).watch.list(
            key.account_id, service.id, fields=creations.fields, limit=limit, state=JobState.SUCCEEDED
        )
        made = [view.result.get("values", {}) | {"job_id": str(view.id)} | fields
                | {"created_at": instant(view.created_at)} for view, fields in jobs]
        return json_answer({"success": True, "total": total, creations.name: made})

    router.add_api_route(
        f"/{service.id}/list", list_creations, methods=["GET"], tags=[service.title],
        summary="What own jobs made, newest first", operation_id=f"{service.id}-list",
        responses={200: creations_schema(service, creations), **error_responses(401, 403, 422, 429)},
    )


def _add_listing(router: APIRouter, service: Service, listing: Listing) -> None:
    async def read(request: Request) -> Response:
        if not listing.is_public:
            require_scope(await authenticate(request), service.id, service.group)
        return json_answer(listing.body(broker_of(request).settings))

    router.add_api_route(
        f"/{service.id}/{listing.name}", read, methods=["GET"], tags=[service.title], summary=listing.summary,
        operation_id=f"{service.id}-{listing.name}",
        responses={200: listing_schema(listing), **(error_responses(*(() if listing.is_public else (401, 403, 429))))},
        openapi_extra={"security": []} if listing.is_public else None,
    )


def parse_job_id(text: str) -> UUID:
    """A job's id from a path. What is no id names no job: NotFound."""
    try:
        return UUID(text)
    except ValueError:
        raise NotFound("No such job") from None


async def find_own(
    broker: Broker, key: KeyRecord, job_id: UUID, services: Mapping[str, Service], *, now: bool = False
) -> JobView:
    """The caller's job of one of these services. Raises NotFound for all others, as if they did not exist."""
    view = await broker.watch.find(job_id, now=now)
    if view is None or view.account_id != key.account_id or view.service not in services:
        raise NotFound("No such job")
    require_scope(key, view.service, services[view.service].group)
    return view


def base_url(request: Request) -> str:
    """Where our own addresses begin: the public URL of the settings, or the host that the client itself used."""
    public_url = broker_of(request).settings.public_url
    return public_url or f"{request.url.scheme}://{request.url.netloc}"


def _fresh_body(service: Service, job_id: UUID, message: str | None, credits: Decimal) -> dict[str, Any]:
    word = service.vocabulary.word(JobState.QUEUED, is_generating=False)
    return _create_body(job_id, word, message, credits if service.hold is HoldKind.VISIBLE else Decimal(0))


def _replayed_body(service: Service, view: JobView) -> dict[str, Any]:
    word = service.vocabulary.word(view.state, is_generating=view.is_generating)
    return _create_body(view.id, word, view.message, view.credits_used)


def _create_body(job_id: UUID, word: str, message: str | None, credits: Decimal) -> dict[str, Any]:
    """The contract's create answer (1.6)."""
    return {
        "success": True, "job_id": str(job_id), "task_id": str(job_id), "status": word,
        "message": f"Job created. {message}" if message else "Job created", "credits_used": credits,
    }


def status_body(service: Service, view: JobView, base: str) -> dict[str, Any]:
    """The contract's status answer (1.7)."""
    result = _result_of(view, base)
    message = view.error or view.message or MESSAGES.get(view.state, "Job is being processed")
    elapsed = None if view.ended_at is None else round((view.ended_at - view.created_at).total_seconds() * 1_000)
    return {
        "success": True, "job_id": str(view.id), "task_id": str(view.id),
        "status": service.vocabulary.word(view.state, is_generating=view.is_generating),
        **({"kind": service.kind} if service.kind else {}),
        "progress": view.progress, "message": message, "error": view.error,
        **{field.name: field.read(result) if result is not None else None for field in service.results},
        "credits_used": view.credits_used, "processing_time_ms": elapsed,
        "created_at": instant(view.created_at), "completed_at": view.ended_at and instant(view.ended_at),
    }


def _result_of(view: JobView, base: str) -> JobResult | None:
    if view.state is not JobState.SUCCEEDED:
        return None
    files = [ResultFile(base + file["path"], file["content_type"]) for file in view.result.get("files", ())]
    return JobResult(files, view.result.get("values", {}))


def _history_item(service: Service, view: JobView, base: str) -> dict[str, Any]:
    body = status_body(service, view, base)
    fields = ["job_id", "status", *(field.name for field in service.results), "credits_used", "error", "created_at",
              "completed_at"]
    return {name: body[name] for name in fields}


def instant(at: datetime) -> str:
    """ISO 8601 in UTC, to the second, with a Z."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

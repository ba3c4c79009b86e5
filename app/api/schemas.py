"""OpenAPI of the routes that are made from the catalogue."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.api.example_answers import example_create, example_status
from app.catalog.model import Creations, Listing, Service

JOB_ID = {"type": "string", "format": "uuid"}
INSTANT = {"type": ["string", "null"], "format": "date-time"}
CREDITS = {"type": "number", "description": "Credits; 1 credit is 1 THB"}

DESCRIPTIONS = {
    400: "The body is not JSON", 401: "No, unknown, revoked or expired key", 402: "Not enough credits",
    403: "The key has no permission for this", 404: "No such job, or someone else's",
    409: "The same Idempotency-Key is still being answered", 413: "A body or file over its limit",
    422: "A field is missing, of the wrong type, out of range or not in the list", 429: "Over the key's rate",
    502: "The provider failed; no debit stays", 503: "The service is off or has no provider",
}

DONE = {"success": {"type": "boolean"}, "message": {"type": "string"}}

COMPONENTS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["success", "detail", "error", "message"],
        "properties": {
            "success": {"const": False},
            "detail": {"description": "The message, or for 422 a list of {loc, msg, type}"},
            "error": {"type": "string"}, "message": {"type": "string"},
            "required": CREDITS, "credits_balance": CREDITS, "available": CREDITS,
        },
    },
}


def error_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    return {status: {"description": DESCRIPTIONS[status], "content": content} for status in statuses}


def request_schemas(catalog: Mapping[str, Service]) -> dict[str, Any]:
    """Every request model, with what it refers to, as OpenAPI components."""
    schemas: dict[str, Any] = {}
    for service in catalog.values():
        schema = service.request.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas |= schema.pop("$defs", {})
        schemas[service.request.__name__] = schema
    return schemas


def request_body(service: Service) -> dict[str, Any]:
    """The body of a create, with the catalogue's examples."""
    examples = {
        f"example-{number}": {"summary": f"{example.credits} credits", "value": dict(example.request)}
        for number, example in enumerate(service.examples, 1)
    }
    schema = {"$ref": f"#/components/schemas/{service.request.__name__}"}
    content = {"application/json": {"schema": schema, "examples": examples}}
    return {"requestBody": {"required": True, "content": content}}


def object_answer(properties: Mapping[str, object], example: object = None) -> dict[str, Any]:
    """An answer that is an object of these properties, all of them."""
    schema: dict[str, Any] = {"type": "object", "properties": dict(properties), "required": list(properties)}
    body: dict[str, Any] = {"schema": schema}
    if example is not None:
        body["example"] = example
    return {"description": "OK", "content": {"application/json": body}}


DRY_RUN: dict[str, Any] = object_answer({
    "success": {"const": True}, "dry_run": {"const": True}, "credits": CREDITS, "credits_balance": CREDITS,
    "available": CREDITS,
})["content"]["application/json"]["schema"]


def or_price(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a route that takes `dry_run`: its own, or what it would cost."""
    content = answer["content"]["application/json"]
    either = content | {"schema": {"oneOf": [content["schema"], DRY_RUN]}}
    return {**answer, "content": {**answer["content"], "application/json": either}}


def listing_schema(listing: Listing) -> dict[str, Any]:
    """The answer of a listing: objects of strings, and of lists of them."""
    item = {"type": "object", "properties": dict(listing.fields), "required": list(listing.fields)}
    answer = object_answer({listing.name.split("-")[-1]: {"type": "array", "items": item}})
    answer["content"]["application/json"]["schema"]["properties"]["success"] = {"const": True}
    return answer


def create_schema(service: Service) -> dict[str, Any]:
    """The answer to a create, and to one that only asks for the price; it links to where the job's status is."""
    answer = or_price(object_answer(
        {
            "success": {"type": "boolean"}, "job_id": JOB_ID, "task_id": JOB_ID,
            "status": {"type": "string", "enum": list(service.vocabulary.words)}, "message": {"type": "string"},
            "credits_used": CREDITS,
        },
        example_create(service),
    ))
    followed = {"job_id": "$response.body#/job_id"}
    answer["links"] = {"status": {"operationId": status_operation(service.status_path), "parameters": followed}}
    if service.is_cancellable:
        answer["links"]["cancel"] = {"operationId": f"{service.id}-cancel", "parameters": followed}
    return answer


def status_operation(path: str) -> str:
    """The operation's id of a status route, which services may share."""
    return f"{path.split('/')[1]}-status"


def status_schema(services: Sequence[Service]) -> dict[str, Any]:
    """The answer of a status route; services that share it share its fields."""
    answer = object_answer(
        {
            "success": {"type": "boolean"}, "job_id": JOB_ID, "task_id": JOB_ID,
            "status": {"type": "string", "enum": list(services[0].vocabulary.words)},
            "progress": {"type": ["integer", "null"], "minimum": 0, "maximum": 100},
            "message": {"type": "string"}, "error": {"type": ["string", "null"]},
            "credits_used": CREDITS, "processing_time_ms": {"type": ["integer", "null"]},
            "created_at": INSTANT, "completed_at": INSTANT,
        }
    )
    answer["content"]["application/json"]["examples"] = {
        service.id: {"summary": service.title, "value": example_status(service)} for service in services
    }
    # Of services that share the route, an answer carries its own service's fields alone: none of them is required.
    fields = {field.name: dict(field.schema) for service in services for field in service.results}
    kinds = [service.kind for service in services if service.kind]
    if kinds:
        fields["kind"] = {"type": "string", "enum": kinds}
    answer["content"]["application/json"]["schema"]["properties"] |= fields
    return answer


def creations_schema(service: Service, creations: Creations) -> dict[str, Any]:
    """The answer of a list of creations."""
    item = {
        "type": "object",
        "properties": {
            **{field.name: dict(field.schema) for field in service.results}, "job_id": JOB_ID,
            **{field: {"type": ["string", "null"]} for field in creations.fields}, "created_at": INSTANT,
        },
    }
    return object_answer({
        "success": {"type": "boolean"}, "total": {"type": "integer"}, creations.name: {"type": "array", "items": item},
    })


def history_schema(service: Service) -> dict[str, Any]:
    """The answer of a history route."""
    item = {
        "type": "object",
        "properties": {
            "job_id": JOB_ID, "status": {"type": "string"}, "prompt": {"type": ["string", "null"]},
            **{field.name: dict(field.schema) for field in service.results}, "credits_used": CREDITS,
            "error": {"type": ["string", "null"]}, "created_at": INSTANT, "completed_at": INSTANT,
        },
    }
    return object_answer({
        "success": {"type": "boolean"}, "total": {"type": "integer"}, "limit": {"type": "integer"},
        "offset": {"type": "integer"}, "items": {"type": "array", "items": item},
    })

"""How answers are written: JSON bytes, and the contract's error bodies (1.11), or OpenAI's on its routes (3.5)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import orjson
from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from app.api.edge import CUT_SHORT
from app.api.openai_errors import openai_error, openai_error_of, openai_status, speaks_openai
from app.errors import AppError, DatabaseAway, FieldError, InsufficientCredits, Invalid, InvalidKey, TooManyRequests

# What says that an answer is that of an earlier request with the same `Idempotency-Key`.
REPLAYED = {"Idempotent-Replayed": "true"}
STATUS_CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "file_too_large"}


def _json_default(value: object) -> object:
    # The only place where an amount becomes a float.
    if isinstance(value, Decimal):
        return float(value)
    raise TypeError


def json_bytes(body: object) -> bytes:
    """JSON; amounts become numbers."""
    return orjson.dumps(body, default=_json_default)


def json_answer(body: object, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(json_bytes(body), status_code=status, headers=headers, media_type="application/json")


def error_body(error: AppError) -> dict[str, Any]:
    """The contract's error body."""
    body: dict[str, Any] = {
        "success": False, "detail": error.message, "error": error.code, "message": error.message,
    }
    if isinstance(error, InsufficientCredits):
        body |= {"required": error.required, "credits_balance": error.balance, "available": error.available}
    if isinstance(error, Invalid) and error.fields:
        body["detail"] = error.fields
    return body


def error_headers(error: AppError) -> dict[str, str]:
    """What a refusal says in headers."""
    if isinstance(error, InvalidKey):
        return {"WWW-Authenticate": "Bearer"}
    if isinstance(error, TooManyRequests):
        return {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, DatabaseAway):
        return {"Retry-After": "1"}
    return {}


def invalid(error: ValidationError | RequestValidationError, *, place: str = "body") -> Invalid:
    """FastAPI's list of what is wrong, and one sentence that names the first field."""
    fields: list[FieldError] = []
    for problem in error.errors():
        loc = tuple(problem["loc"])
        loc = loc if loc[:1] in (("body",), ("query",), ("path",), ("header",)) else (place, *loc)
        fields.append({"loc": loc, "msg": problem["msg"], "type": problem["type"]})
    first = fields[0]
    name = ".".join(str(part) for part in first["loc"][1:]) or place
    return Invalid(f"{name}: {first['msg']}", fields=fields)


async def answer_app_error(request: Request, error: Exception) -> Response:
    """Render a refusal of ours."""
    assert isinstance(error, AppError)
    headers = error_headers(error)
    if speaks_openai(request.url.path):
        return json_answer(openai_error_of(error), status=openai_status(error.status), headers=headers)
    return json_answer(error_body(error), status=error.status, headers=headers)


async def answer_http_error(request: Request, error: Exception) -> Response:
    """Render what the framework itself refuses: unknown routes and methods."""
    assert isinstance(error, HTTPException)
    code = STATUS_CODES.get(error.status_code, "error")
    message = "No such route" if error.status_code == 404 else str(error.detail)
    body = _plain_body(request, error.status_code, code, message)
    return json_answer(body, status=error.status_code, headers=error.headers)


async def answer_validation_error(request: Request, error: Exception) -> Response:
    """Render what FastAPI's own parameters refuse."""
    assert isinstance(error, RequestValidationError)
    return await answer_app_error(request, invalid(error))


async def answer_nobody(_request: Request, _error: Exception) -> Response:
    """The client hung up before its request was whole. This is what is counted; nobody hears it."""
    return Response(status_code=CUT_SHORT)


async def answer_crash(request: Request, error: Exception) -> Response:
    """A mistake of ours: say so, and nothing else. The traceback is in the log, under the request's id."""
    return json_answer(_plain_body(request, 500, "internal_error", "Internal error"), status=500)


def _plain_body(request: Request, status: int, code: str, message: str) -> dict[str, Any]:
    if speaks_openai(request.url.path):
        return openai_error(status, code, message)
    return {"success": False, "detail": message, "error": code, "message": message}

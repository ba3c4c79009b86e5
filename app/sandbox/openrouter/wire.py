"""OpenRouter's answers: JSON as it is, errors as `{"error": {"code", "message", "metadata"}}` with the HTTP status."""

from decimal import Decimal
from typing import Any

from starlette.responses import Response

from app.sandbox.config import BROKE_KEY, FORBIDDEN_KEY, INVALID_KEY
from app.sandbox.exchange import Call, Refused
from app.sandbox.replies import json_reply
from app.sandbox.tasks import JsonObject

PROVIDER = "openrouter"

ERROR_TYPES = {
    400: "invalid_request", 401: "authentication", 402: "payment_required", 403: "permission_denied", 404: "not_found",
    408: "timeout", 413: "payload_too_large", 422: "unprocessable", 429: "rate_limit_exceeded", 500: "server",
    502: "provider_unavailable", 503: "provider_overloaded", 504: "timeout", 529: "provider_overloaded",
}


def error(code: int, message: str, detail: JsonObject | None = None) -> JsonObject:
    """The object under `error`."""
    return {
        "code": code,
        "message": message,
        "metadata": {"error_type": ERROR_TYPES.get(code, "unmapped"), **(detail or {})},
    }


def wire(_: Call, outcome: Any) -> tuple[str, Response]:
    """What the handler returned, or its refusal."""
    if isinstance(outcome, Refused):
        status = outcome.status or outcome.code
        body = {"error": error(outcome.code, outcome.message, outcome.detail)}
        return str(outcome.code), json_reply(body, status, outcome.headers)
    return "200", outcome if isinstance(outcome, Response) else json_reply(outcome)


def authorize(call: Call) -> None:
    """Read the key. Raises Refused."""
    scheme, _, key = call.request.headers.get("authorization", "").partition(" ")
    call.key = key.strip()
    if scheme.lower() != "bearer" or not call.key:
        raise Refused(401, "No auth credentials found")
    if call.key == INVALID_KEY:
        raise Refused(401, "User not found.")
    if call.key == FORBIDDEN_KEY:
        raise Refused(403, "Key is not allowed to use this model")


def dollars_left(call: Call) -> Decimal:
    """The key's balance in USD."""
    start = Decimal(0) if call.key == BROKE_KEY else call.world.config.openrouter_dollars
    return call.world.books.left(PROVIDER, call.key, start)


def require_money(call: Call) -> None:
    """Raise Refused when the key has nothing left."""
    if dollars_left(call) <= 0:
        raise Refused(402, "Insufficient credits. Add more credits to continue.")

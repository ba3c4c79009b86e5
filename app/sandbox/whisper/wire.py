"""The host's answers: JSON as it is, errors as `{"error": {"message", "type", "param", "code"}}`."""

from typing import Any

from starlette.responses import Response

from app.sandbox.config import BROKE_KEY, INVALID_KEY
from app.sandbox.exchange import Call, Refused
from app.sandbox.replies import json_reply

PROVIDER = "whisper"
TYPES = {
    400: "invalid_params", 401: "invalid_request_error", 402: "insufficient_funds", 413: "request_too_large",
    429: "rate_limit", 500: "processing_failed", 503: "service_unavailable",
}


def wire(_: Call, outcome: Any) -> tuple[str, Response]:
    """What the handler returned, or its refusal."""
    if not isinstance(outcome, Refused):
        return "200", outcome if isinstance(outcome, Response) else json_reply(outcome)
    status = outcome.status or outcome.code
    problem = {
        "message": outcome.message,
        "type": outcome.detail.get("type") or TYPES.get(status, "error"),
        "param": outcome.detail.get("param"),
        "code": "invalid_api_key" if status == 401 else None,
    }
    return str(status), json_reply({"error": problem}, status, outcome.headers)


def authorize(call: Call) -> None:
    """Read the key. Raises Refused."""
    scheme, _, key = call.request.headers.get("authorization", "").partition(" ")
    call.key = key.strip()
    if scheme.lower() != "bearer" or not call.key or call.key == INVALID_KEY:
        raise Refused(401, "Invalid API key provided")
    if call.key == BROKE_KEY:
        raise Refused(402, "Insufficient balance")

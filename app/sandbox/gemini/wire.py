"""Google's answers: JSON as it is, errors in its RPC status envelope."""

from typing import Any

from starlette.responses import Response

from app.sandbox.config import FORBIDDEN_KEY, INVALID_KEY
from app.sandbox.exchange import Call, Refused
from app.sandbox.replies import json_reply
from app.sandbox.tasks import JsonObject

PROVIDER = "gemini"

STATUS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}


def wire(call: Call, outcome: Any) -> tuple[str, Response]:
    """What the handler returned, or its refusal."""
    if not isinstance(outcome, Refused):
        return "200", outcome if isinstance(outcome, Response) else json_reply(outcome)
    status = outcome.status or outcome.code
    message, details = outcome.message, list(outcome.detail.get("details", []))
    if status == 429:
        message, details = _quota(call)
    problem: JsonObject = {"code": status, "message": message, "status": STATUS.get(status, "UNKNOWN")}
    return str(status), json_reply({"error": problem | ({"details": details} if details else {})}, status)


def _quota(call: Call) -> tuple[str, list[JsonObject]]:
    """A quota error. The time to wait stands in the body, and only when a directive gives one."""
    wait_s = call.directives.retry_after
    message = "You exceeded your current quota, please check your plan and billing details."
    if wait_s is None:
        return message, []
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{wait_s:g}s"}
    violation = {
        "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
        "quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
        "quotaDimensions": {"location": "global", "model": call.model},
    }
    failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
    return f"{message} Please retry in {wait_s:g}s.", [failure, retry]


def authorize(call: Call) -> None:
    """Read the key from the header or the query. A wrong one is 400, not 401. Raises Refused."""
    headers, query = call.request.headers, call.request.query_params
    call.key = headers.get("x-goog-api-key") or query.get("key") or ""
    if not call.key or call.key == FORBIDDEN_KEY:
        raise Refused(403, "Method doesn't allow unregistered callers (callers without established identity).")
    if call.key == INVALID_KEY:
        info = {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID",
                "domain": "googleapis.com", "metadata": {"service": "generativelanguage.googleapis.com"}}
        raise Refused(400, "API key not valid. Please pass a valid API key.", detail={"details": [info]})

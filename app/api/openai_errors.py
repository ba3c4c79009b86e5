"""Refusals as OpenAI's SDKs read them, on the routes that those SDKs call (contract 3.5)."""

from typing import Any

from app.errors import AppError, InsufficientCredits, Invalid

NOUNS = frozenset({"chat", "embeddings", "responses", "models"})

TYPES = {402: "insufficient_quota", 429: "rate_limit_error", 500: "api_error", 502: "api_error", 503: "api_error"}
CODES = {429: "rate_limit_exceeded", 502: "upstream_error", 503: "upstream_error"}


def speaks_openai(path: str) -> bool:
    """Whether the path belongs to the OpenAI-compatible routes, or would if it existed."""
    noun = path.removeprefix("/api/v1").lstrip("/").partition("/")[0]
    return path.startswith("/v1/") or noun in NOUNS


def openai_status(status: int) -> int:
    """OpenAI answers 400 to what FastAPI answers 422."""
    return 400 if status == 422 else status


def openai_error(status: int, code: str, message: str, *, param: str | None = None) -> dict[str, Any]:
    """The body of a refusal; `code` is ours, and is said in OpenAI's word where it has one."""
    if code in ("validation_error", "bad_request"):
        code = "invalid_value"
    kind = TYPES.get(status, "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": CODES.get(status, code)}}


def openai_error_of(error: AppError) -> dict[str, Any]:
    """The body of a refusal of ours."""
    param = None
    if isinstance(error, Invalid) and error.fields:
        param = ".".join(str(part) for part in error.fields[0]["loc"][1:]) or None
    body = openai_error(error.status, error.code, error.message, param=param)
    if isinstance(error, InsufficientCredits):
        body["error"] |= {"required": error.required, "credits_balance": error.balance, "available": error.available}
    return body

"""What a refusal of OpenRouter means: the one table of its HTTP statuses and error bodies (openrouter.md 11).

An answer with an error status is paid by nobody, so the client may be told at once; `Unclear` is kept for the answers
behind which a provider may have worked and billed all the same.
"""

from collections.abc import Mapping
from typing import Any

import orjson

from app.errors import Broken, ProviderError, Rejected, Throttled, Unclear

# A key that is refused or empty is left alone for this long.
KEY_REST_S = 300.0
RETRY_S = 10.0
RETRY_MOST_S = 120.0

STATUSES: dict[int, type[ProviderError]] = {
    400: Rejected, 404: Rejected, 412: Rejected, 413: Rejected, 422: Rejected,
    403: Broken, 500: Broken, 502: Broken, 503: Broken, 529: Broken,
    408: Unclear, 499: Unclear, 504: Unclear, 524: Unclear,
}
KEY_TROUBLE = frozenset({401, 402})

TOO_LONG = "The conversation is too long for the model"
POLICY = "The provider's content policy refused the request"
IMAGE = "The provider could not use an image of the request"
REASONS = {
    "context_length_exceeded": TOO_LONG, "max_tokens_exceeded": TOO_LONG, "token_limit_exceeded": TOO_LONG,
    "string_too_long": TOO_LONG, "content_policy_violation": POLICY, "refusal": POLICY, "invalid_image": IMAGE,
    "image_too_large": IMAGE, "image_too_small": IMAGE, "unsupported_image_format": IMAGE, "image_not_found": IMAGE,
    "image_download_failed": IMAGE,
}


def read_error(status: int, headers: Mapping[str, str], content: bytes) -> ProviderError:
    """The verdict of an answer that is not 200."""
    error = _error_of(content)
    if error is None:
        # A page of some machine between us: below 500 it let nothing through, above nobody knows.
        kind: type[ProviderError] = Broken if status < 500 else Unclear
        return kind("The provider did not answer", detail=f"HTTP {status}: {content[:200]!r}")
    detail = f"HTTP {status}: {_summary(error)}"
    metadata = _metadata(error)
    if status in KEY_TROUBLE:
        rest_s = _retry_after(headers, default=KEY_REST_S)
        return Throttled("The provider is not available", retry_after_s=rest_s, detail=detail, is_about_key=True)
    if status == 429:
        return Throttled("The provider is busy", retry_after_s=_retry_after(headers, default=RETRY_S), detail=detail)
    if status == 403 and {"reasons", "flagged_input", "patterns"} & metadata.keys():
        return Rejected(POLICY, detail=detail)
    kind = STATUSES.get(status, Unclear)
    if kind is Rejected:
        reason = metadata.get("error_type") or error.get("error_type")
        return Rejected(REASONS.get(str(reason), "The provider refused the request"), detail=detail)
    return kind("The provider failed", detail=detail)


def read_error_object(error: object) -> ProviderError:
    """The verdict of an `error` inside an answer that began as a success: the provider gave up, and bills nothing."""
    return Broken("The provider failed", detail=_summary(error) if isinstance(error, dict) else repr(error)[:200])


def _summary(error: Mapping[str, Any]) -> str:
    """For the operator. Not the whole: a moderator quotes what the client said."""
    metadata = _metadata(error)
    return repr({
        "code": error.get("code"), "type": metadata.get("error_type", error.get("error_type")),
        "message": str(error.get("message"))[:300], "provider": metadata.get("provider_name"),
    })


def _metadata(error: Mapping[str, Any]) -> dict[str, Any]:
    metadata = error.get("metadata")
    return metadata if isinstance(metadata, dict) else {}


def _error_of(content: bytes) -> dict[str, Any] | None:
    try:
        body = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else None


def _retry_after(headers: Mapping[str, str], *, default: float) -> float:
    try:
        return min(max(float(headers["retry-after"]), 1.0), RETRY_MOST_S)
    except (KeyError, ValueError):
        return default

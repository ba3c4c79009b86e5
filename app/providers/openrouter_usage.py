"""What a call used, as OpenRouter counts it: in an answer, and in its record of the call (openrouter.md 5 and 10)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from app.errors import Throttled

DETAILS = ("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details")


@dataclass(frozen=True)
class Usage:
    """Tokens, searches, and what the call cost us in USD, where upstream says. `details` are counts for the client."""

    prompt_tokens: int
    completion_tokens: int = 0
    searches: int = 0
    cost: Decimal | None = None
    details: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def counts(self) -> dict[str, int]:
        """What was counted, for the operator's record."""
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}


@dataclass(frozen=True)
class Said:
    """An answer in OpenAI's form (empty where nobody will ask for it any more), and what it used."""

    document: dict[str, Any]
    usage: Usage


@dataclass(frozen=True)
class Generation:
    """Upstream's record of one call. `has_failed`: it ended with an error, and upstream bills nothing for it."""

    usage: Usage
    has_failed: bool


def read_usage(given: object) -> Usage | None:
    """The usage object of an answer, in chat's words or in those of responses; None if it counts nothing."""
    if not isinstance(given, dict):
        return None
    prompt = given.get("prompt_tokens", given.get("input_tokens"))
    if not isinstance(prompt, int):
        return None
    searched = given.get("server_tool_use_details") or given.get("server_tool_use")
    searches = searched.get("web_search_requests") if isinstance(searched, dict) else 0
    return Usage(
        prompt_tokens=max(prompt, 0),
        completion_tokens=_count(given.get("completion_tokens", given.get("output_tokens"))),
        searches=_count(searches),
        cost=_dollars(given.get("cost")),
        details={name: _counts(given[name]) for name in DETAILS if isinstance(given.get(name), dict)},
    )


def read_generation(content: bytes) -> Generation:
    """The record in an answer of `GET /generation`. Raises Throttled where it holds none."""
    try:
        record = orjson.loads(content)["data"]
        prompt = _count(record.get("native_tokens_prompt")) or _count(record.get("tokens_prompt"))
        completion = _count(record.get("native_tokens_completion")) or _count(record.get("tokens_completion"))
        usage = Usage(prompt, completion, cost=_dollars(record.get("total_cost")))
        has_failed = record.get("finish_reason") == "error" or usage.total_tokens == 0
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise Throttled("No answer", detail=content[:500].decode(errors="replace")) from error
    return Generation(usage, has_failed)


def _count(value: object) -> int:
    return max(value, 0) if isinstance(value, int) else 0


def _dollars(value: object) -> Decimal | None:
    try:
        cost = Decimal(str(value))
    except InvalidOperation:
        return None
    return cost if cost.is_finite() and cost >= 0 else None


def _counts(given: Mapping[str, Any]) -> dict[str, int]:
    return {str(name): _count(value) for name, value in given.items() if isinstance(value, int)}

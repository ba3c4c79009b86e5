"""Responses of OpenRouter, whole and as typed events (openrouter.md 9)."""

from collections.abc import Mapping
from typing import Any

import orjson

from app.providers.openrouter_chat import refuse_nothing, understanding
from app.providers.openrouter_errors import read_error_object
from app.providers.openrouter_usage import Said, Usage, read_usage

# The guide and the OpenAPI file name some events differently.
NAMES = {"response.content_part.delta": "response.output_text.delta"}
ENDS = frozenset({"response.completed", "response.incomplete", "response.done"})
FAILURES = frozenset({"response.failed", "error"})
BEGINNINGS = frozenset({"response.created", "response.in_progress", "response.queued"})
FIELDS = ("id", "created_at", "completed_at", "status", "incomplete_details", "output")


def read_response(content: bytes) -> Said:
    """A whole response: its own fields, without those that repeat the request.

    Raises Broken where the model gave up, Unclear where the answer cannot be understood.
    """
    with understanding(content):
        response = orjson.loads(content)
        document = _document(response)
        usage = read_usage(response.get("usage"))
        if usage is None:
            raise ValueError("no usage")
    refuse_nothing(usage, document["status"])
    return Said(document, usage)


def _document(response: Mapping[str, Any]) -> dict[str, Any]:
    if response.get("error") or response.get("status") in ("failed", "cancelled"):
        raise read_error_object(response.get("error"))
    if not isinstance(response["output"], list):
        raise TypeError("output is no list")
    return {name: response.get(name) for name in FIELDS}


class ResponseReader:
    """Reads the events of one stream. The last one is not told but kept: it waits for the charge."""

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.document: dict[str, Any] | None = None
        self.next_number = 0

    def read(self, data: bytes) -> dict[str, Any] | None:
        """The event as a client may have it, its `response` without what repeats the request; None if it is kept back.

        Raises Broken for a failure in mid-stream, Unclear for an event that cannot be understood.
        """
        with understanding(data):
            event: dict[str, Any] = orjson.loads(data)
            kind = str(event["type"])
            if kind in FAILURES:
                raise read_error_object(event.get("response", event))
            if kind in ENDS:
                self.document = _document(event["response"])
                self.usage = read_usage(event["response"].get("usage"))
                return None
            if not kind.startswith("response."):
                return None
            if kind in BEGINNINGS:
                event["response"] = {name: event["response"].get(name) for name in FIELDS}
            number = self.next_number
            self.next_number += 1
            return {**event, "type": NAMES.get(kind, kind), "sequence_number": number}

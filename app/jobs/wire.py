"""How wake-ups travel through ARQ: the queues' names and JSON instead of pickle."""

from typing import Any

import orjson

MEDIA_LANE = "media"
UPSTREAM_QUEUE = "phaya:upstream"
MEDIA_QUEUE = "phaya:media"


def queue_name(lane: str) -> str:
    """The ARQ queue on which the workers of a lane listen."""
    return MEDIA_QUEUE if lane == MEDIA_LANE else UPSTREAM_QUEUE


def serialize(value: dict[str, Any]) -> bytes:
    """An ARQ record as JSON; what JSON has no word for (an exception of a failed task) is written as text."""
    return orjson.dumps(value, default=repr)


def deserialize(data: bytes) -> dict[str, Any]:
    """The opposite of `serialize`."""
    record: dict[str, Any] = orjson.loads(data)
    return record

"""Server-sent events as they arrive: pieces of bytes in, events out, wherever the network cut them."""

from dataclasses import dataclass

import httpx

EVENT_LIMIT_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Event:
    """One event. A comment, which keeps the connection alive and says nothing, is an event without data."""

    data: bytes
    name: str = ""


COMMENT = Event(b"")


class EventReader:
    """Collects lines into events. Only whole lines are looked at, so a character cut in two is never seen."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._name = ""
        self._data: list[bytes] = []

    def feed(self, piece: bytes) -> list[Event]:
        """The events that this piece completes. Raises httpx.RemoteProtocolError for one without end."""
        self._rest += piece
        if b"\n" not in piece:
            if len(self._rest) > EVENT_LIMIT_BYTES:
                raise httpx.RemoteProtocolError(f"a line of more than {EVENT_LIMIT_BYTES} bytes")
            return []
        *lines, rest = bytes(self._rest).split(b"\n")
        self._rest = bytearray(rest)
        return [event for line in lines if (event := self._read(line.removesuffix(b"\r"))) is not None]

    def _read(self, line: bytes) -> Event | None:
        if not line:
            return self._complete()
        if line.startswith(b":"):
            return COMMENT
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            self._data.append(value)
            if sum(map(len, self._data)) > EVENT_LIMIT_BYTES:
                raise httpx.RemoteProtocolError(f"an event of more than {EVENT_LIMIT_BYTES} bytes")
        elif field == b"event":
            self._name = value.decode(errors="replace")
        return None

    def _complete(self) -> Event | None:
        event = Event(b"\n".join(self._data), self._name) if self._data else None
        self._name, self._data = "", []
        return event

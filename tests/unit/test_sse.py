"""Events are read whole, wherever the network cut them."""

import httpx
import pytest

from app.providers import sse
from app.providers.sse import COMMENT, Event, EventReader

STREAM = (
    ": OPENROUTER PROCESSING\n\n"
    'data: {"text":"สวัสดี"}\n\n'
    "event: response.created\r\ndata: 1\r\n\r\n"
    "data: two\ndata:  lines\n\n"
    "id: 5\nretry: 1\n\n"
    "data: [DONE]\n\n"
).encode()
EVENTS = [
    COMMENT, Event('{"text":"สวัสดี"}'.encode()), Event(b"1", "response.created"), Event(b"two\n lines"),
    Event(b"[DONE]"),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50, len(STREAM)])
def test_every_cut_gives_the_same_events(size: int) -> None:
    reader = EventReader()

    pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]

    assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


def test_what_was_not_ended_is_no_event() -> None:
    assert EventReader().feed(b"data: half\n") == []


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 60, b"data: " + b"x" * 60 + b"\n", b"data: xxxxxxxxxx\n" * 6])
def test_an_event_without_end_is_cut_off(piece: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "EVENT_LIMIT_BYTES", 50)

    with pytest.raises(httpx.RemoteProtocolError):
        EventReader().feed(piece)

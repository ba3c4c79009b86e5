"""Clients that dawdle or flood, on raw sockets: they are let go, and nobody else waits for them."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial

import pytest

from app.api import connection
from app.metrics import REGISTRY
from tests.asking import balance
from tests.security.conftest import meanwhile
from tests.stack import Client, Stack, anonymous

LOOK_S = 0.3
HEAD = b"POST /api/v1/text-to-image/generate HTTP/1.1\r\nhost: a\r\n"
BODY_TO_COME = b"content-length: 100000\r\n\r\n"


@pytest.fixture(autouse=True)
def _watched_closely(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOOK_S", LOOK_S)


@pytest.fixture(scope="module")
def client(stack: Stack) -> Client:
    return stack.client()


@contextmanager
def connected(stack: Stack, sent: bytes) -> Iterator[socket.socket]:
    """A connection on which so much was sent."""
    host, port = stack.api_url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as line:
        line.sendall(sent)
        yield line


def answer_on(line: socket.socket) -> bytes:
    """All that is answered until the other side hangs up."""
    answer = b""
    try:
        while chunk := line.recv(65_536):
            answer += chunk
    except ConnectionResetError:
        pass
    return answer


def drip(line: socket.socket, drop: bytes) -> None:
    """Send one drop, unless the other side has hung up."""
    with suppress(OSError):
        line.sendall(drop)


@pytest.mark.parametrize(("begun", "drop"), [
    (b"", b""), (HEAD, b""), (b"", b"G"), (HEAD, b"x: y\r\n"), (HEAD + b"x: ", b"y"), (HEAD + BODY_TO_COME, b""),
    (HEAD + b"authorization: Bearer KEY\r\n" + BODY_TO_COME, b" "),
    (HEAD + b"authorization: Bearer KEY\r\ntransfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
])
def test_who_dawdles_is_let_go_and_keeps_nobody(stack: Stack, client: Client, begun: bytes, drop: bytes) -> None:
    with (
        connected(stack, begun.replace(b"KEY", client.secret.encode())) as line,
        meanwhile(partial(drip, line, drop), every_s=0.05),
    ):
        assert balance(client) == 100

        assert b" 200 " not in answer_on(line)


def counted(route: str, status: int) -> float:
    """How many requests of a route ended so."""
    labels = {"method": "POST", "route": route, "status": str(status)}
    return REGISTRY.get_sample_value("phaya_http_request_seconds_count", labels) or 0


@pytest.mark.parametrize("route", ["/api/v1/text-to-image/generate", "/api/v1/media/upload"])
def test_who_hangs_up_before_the_request_is_whole_is_no_mistake_of_ours(
    stack: Stack, client: Client, route: str
) -> None:
    gone, crashed = counted(route, 499), counted(route, 500)
    head = f"POST {route} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {client.secret}\r\n"
    kind = "content-type: multipart/form-data; boundary=x\r\n"
    with connected(stack, head.encode() + kind.encode() + BODY_TO_COME + b"--x\r\n"):
        assert balance(client) == 100

    ends_at = time.monotonic() + 20
    while counted(route, 499) != gone + 1:
        assert time.monotonic() < ends_at
        time.sleep(0.05)
    assert counted(route, 500) == crashed


def test_many_who_dawdle_take_no_slot_from_others(stack: Stack, client: Client) -> None:
    lines = [connected(stack, HEAD) for _ in range(200)]
    opened = [line.__enter__() for line in lines]
    assert [balance(client) for _ in range(20)] == [100] * 20
    for line in opened:
        line.close()


@pytest.mark.parametrize("flood", [
    b"x: " + b"y" * 70_000 + b"\r\n",
    b"".join(b"x%d: y\r\n" % number for number in range(200)),
    b"x: " + b"y" * 10_000_000,
    b"x: y\r\n" * 200_000,
])
def test_a_flood_of_headers_is_refused(stack: Stack, client: Client, flood: bytes) -> None:
    with connected(stack, HEAD) as line:
        try:
            line.sendall(flood + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):  # refused before its end
            return
        answer = answer_on(line)

    assert answer == b"" or answer.startswith(b"HTTP/1.1 431 ")
    assert balance(client) == 100


def test_an_endless_address_is_refused(stack: Stack) -> None:
    with connected(stack, b"GET /" + b"a" * 200_000) as line:
        assert answer_on(line).startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))


def test_a_kept_connection_may_be_idle(stack: Stack) -> None:
    with anonymous(stack.api_url) as http:
        first = http.get("/health").extensions["network_stream"].get_extra_info("client_addr")
        assert not threading.Event().wait(3 * LOOK_S)
        second = http.get("/health").extensions["network_stream"].get_extra_info("client_addr")

    assert first == second

"""Uploads over real HTTP: as clients send them, as they break, and as an attacker would."""

import hashlib
import os
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.api.receive_upload import PARTS_LIMIT, REST_LIMIT_BYTES, Received, receive_upload
from app.errors import AppError, Invalid
from tests.fakes.web import serving

LIMIT = 3_000_000
FORM = {"Content-Type": "multipart/form-data; boundary=cut"}


@dataclass
class Receiver:
    """A server that takes uploads into `folder`, and what it has to tell of them."""

    folder: Path
    address: str = ""
    received: list[Received] = field(default_factory=list)
    disconnects: int = 0

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/", self.receive, methods=["POST"])], exception_handlers={AppError: refuse})

    async def receive(self, request: Request) -> Response:
        try:
            received = await receive_upload(request, self.folder, limit_bytes=LIMIT)
        except ClientDisconnect:
            self.disconnects += 1
            raise
        self.received.append(received)
        return JSONResponse({"size": received.size})

    def left_behind(self) -> list[Path]:
        return list(self.folder.iterdir())


async def refuse(_: Request, error: Exception) -> Response:
    assert isinstance(error, AppError)
    fields = error.fields if isinstance(error, Invalid) else []
    return JSONResponse({"code": error.code, "message": error.message, "fields": fields}, status_code=error.status)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    receiver = Receiver(tmp_path_factory.mktemp("uploads"))
    with serving(receiver.app()) as receiver.address:
        yield receiver


@pytest.fixture
def receiver(server: Receiver) -> Receiver:
    for path in server.left_behind():
        path.unlink()
    server.received.clear()
    return server


def form(*parts: tuple[str, bytes], end: bytes = b"--cut--\r\n") -> bytes:
    """A body of parts, each a Content-Disposition and its content."""
    shown = [f"--cut\r\nContent-Disposition: {head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts]
    return b"".join(shown) + end


FILE = 'form-data; name="file"; filename="a.png"'
NOTE = 'form-data; name="note"'


@pytest.mark.parametrize("size", [0, 1, 70_000, 1_048_576, LIMIT])
def test_a_file_is_received_whole(receiver: Receiver, size: int) -> None:
    content = os.urandom(size)

    answer = httpx.post(receiver.address, files={"file": ("แมว.png", content, "image/png")}, data={"note": "hello"})

    assert answer.json() == {"size": size}
    (received,) = receiver.received
    assert received.path.read_bytes() == content
    assert received.sha256 == hashlib.sha256(content).hexdigest()
    assert received.filename == "แมว.png"
    assert received.claimed_type == "image/png"
    assert receiver.left_behind() == [received.path]


def test_a_body_in_tiny_pieces_is_the_same_body(receiver: Receiver) -> None:
    content = b"\r\n--cu\r\n--cut" + b"x\r\n-" * 500
    body = form((NOTE, b"x"), (FILE, content.replace(b"\r\n--cut", b"\r\n--cux")), ('form-data; name="late"', b"y"))

    httpx.post(receiver.address, headers=FORM, content=(body[at : at + 1] for at in range(len(body))))

    assert receiver.received[0].path.read_bytes() == content.replace(b"\r\n--cut", b"\r\n--cux")


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\\\Users\\\\me\\\\cat.png", "cat.png"),
        ("a\tb\u202egnp.png", "abgnp.png"),
        ("x" * 500 + ".png", "x" * 196 + ".png"),
        ("..", "file"),
        ("/", "file"),
    ],
)
def test_a_filename_loses_what_could_hurt(receiver: Receiver, sent: str, kept: str) -> None:
    httpx.post(receiver.address, headers=FORM, content=form((f'form-data; name="file"; filename="{sent}"', b"x")))

    assert receiver.received[0].filename == kept


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (FORM, form((NOTE, b"x"))),
        (FORM, form(('form-data; name="file"', b"text, not a file"))),
        (FORM, form(('form-data; name="file"; filename=""', b""))),
        (FORM, form(('form-data; filename="a.png"', b"x"))),
        (FORM, form(("", b"x"))),
        (FORM, form()),
        ({"Content-Type": "application/json"}, b"{}"),
        ({"Content-Type": "multipart/mixed; boundary=cut"}, form((FILE, b"x"))),
        ({}, b""),
    ],
)
def test_a_form_without_a_file_is_422(receiver: Receiver, headers: dict[str, str], body: bytes) -> None:
    answer = httpx.post(receiver.address, headers=headers, content=body)

    assert answer.status_code == 422
    assert answer.json()["fields"] == [{"loc": ["body", "file"], "msg": "Field required", "type": "missing"}]
    assert receiver.left_behind() == []


def test_two_files_are_422(receiver: Receiver) -> None:
    answer = httpx.post(receiver.address, headers=FORM, content=form((FILE, b"x"), (FILE, b"y")))

    assert answer.status_code == 422
    assert answer.json()["fields"][0]["loc"] == ["body", "file"]
    assert receiver.left_behind() == []


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "multipart/form-data"}, form((FILE, b"x"))),
        ({"Content-Type": f"multipart/form-data; boundary={'b' * 71}"}, form((FILE, b"x"))),
        (FORM, form((FILE, b"x"), end=b"")),
        (FORM, form((FILE, b"x"), end=b"--cut")),
        (FORM, form((FILE, b"x"))[:40]),
        (FORM, b""),
        (FORM, b"not a form"),
        (FORM, b"--cut\r\nbroken header\r\n\r\nx\r\n--cut--"),
        (FORM, b"--cut\r\nX: " + b"y" * 5_000),
        (FORM, b"--cut\r\n" + b"X: y\r\n" * 50),
        (FORM, form(*[(NOTE, b"x")] * (PARTS_LIMIT + 1))),
    ],
)
def test_a_broken_body_is_400(receiver: Receiver, headers: dict[str, str], body: bytes) -> None:
    answer = httpx.post(receiver.address, headers=headers, content=body)

    assert answer.status_code == 400
    assert answer.json()["code"] == "bad_request"
    assert receiver.left_behind() == []


@pytest.mark.parametrize(
    "parts",
    [
        [(FILE, bytes(LIMIT + 1))],
        [(NOTE, bytes(REST_LIMIT_BYTES + 1)), (FILE, b"x")],
        [(FILE, b"x"), (NOTE, bytes(REST_LIMIT_BYTES + 1))],
    ],
)
def test_too_much_is_413_while_it_is_read(receiver: Receiver, parts: list[tuple[str, bytes]]) -> None:
    body = form(*parts)

    # Sent in chunks, without a length that could be refused at once.
    answer = httpx.post(receiver.address, headers=FORM, content=iter([body]))

    assert answer.status_code == 413
    assert answer.json()["code"] == "file_too_large"
    assert receiver.left_behind() == []


def test_an_epilogue_is_bounded_too(receiver: Receiver) -> None:
    body = form((FILE, b"x")) + bytes(REST_LIMIT_BYTES)

    assert httpx.post(receiver.address, headers=FORM, content=iter([body])).status_code == 413


def connect(receiver: Receiver, *, length: int, expect: Sequence[str] = ()) -> socket.socket:
    """A connection on which the head of an upload of `length` bytes was sent."""
    address = urlsplit(receiver.address)
    connection = socket.create_connection((str(address.hostname), address.port or 0), timeout=10)
    head = ["POST / HTTP/1.1", "Host: x", f"Content-Type: {FORM['Content-Type']}", f"Content-Length: {length}", *expect]
    connection.sendall("\r\n".join([*head, "", ""]).encode())
    return connection


def test_a_length_over_the_limit_is_refused_before_a_byte_is_sent(receiver: Receiver) -> None:
    with connect(receiver, length=10_000_000_000, expect=["Expect: 100-continue"]) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413")


def test_a_client_that_goes_away_leaves_no_file(receiver: Receiver) -> None:
    before = receiver.disconnects
    with connect(receiver, length=LIMIT) as connection:
        connection.sendall(form((FILE, bytes(1_500_000)), end=b""))
        wait_until(lambda: any(path.stat().st_size for path in receiver.left_behind()))

    wait_until(lambda: receiver.disconnects > before)
    assert receiver.left_behind() == []


def test_a_large_file_is_taken_in_constant_memory(receiver: Receiver) -> None:
    body = form((FILE, bytes(LIMIT)))
    tracemalloc.start()
    try:
        httpx.post(receiver.address, headers=FORM, content=body)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < LIMIT


def wait_until(holds: Callable[[], bool]) -> None:
    """Return once it holds; fail after ten seconds."""
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)

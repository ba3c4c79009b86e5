"""A sandbox of the module's own, and a mailbox that it can call back."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from uuid import uuid4

import httpx
import pytest

from app.sandbox.server import running
from tests.sandbox.driving import FAST, NO_CERTIFICATES, Client, Connect, Letter, Mailbox


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    box = Mailbox()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            box.letters.append(Letter({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(box.answers.pop(0) if box.answers else 200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    box.url = f"http://127.0.0.1:{server.server_port}/hook"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield box
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Makes clients of a sandbox, each with a key of its own unless one is named."""
    opened: list[httpx.Client] = []

    def make(url: str, key: str = "") -> Client:
        headers = {"authorization": f"Bearer {key or uuid4().hex}"}
        http = httpx.Client(base_url=url, headers=headers, trust_env=False, verify=NO_CERTIFICATES, timeout=10)
        opened.append(http)
        return Client(url, http)

    yield make
    for http in opened:
        http.close()


@pytest.fixture(scope="module")
def sandbox_url() -> Iterator[str]:
    with running(FAST) as url:
        yield url


@pytest.fixture
def client(sandbox_url: str, connect: Connect) -> Client:
    """A client with a key that nobody else uses."""
    return connect(sandbox_url)

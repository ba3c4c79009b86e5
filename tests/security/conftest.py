"""What the trials share: a canary that nobody may reach, and jobs that are asked for at once and looked at later."""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.stack import Client

PATIENCE_S = 100
# What a process that reads a stranger's file may have in memory.
READERS_BYTES = 512 * 1024 * 1024
READERS = (b"app.media.", b"ffmpeg")
LOOK_EVERY_S = 0.05


@dataclass
class Canary:
    """A server on loopback to which no case may connect."""

    url: str
    callers: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def canary() -> Iterator[Canary]:
    """It listens for the session, and has no answer."""
    listener = socket.create_server(("127.0.0.1", 0))
    caught = Canary(f"http://127.0.0.1:{listener.getsockname()[1]}/")

    def listen() -> None:
        while True:
            try:
                connection, address = listener.accept()
            except OSError:  # closed: the end
                return
            caught.callers.append(str(address))
            connection.close()

    thread = threading.Thread(target=listen, name="canary")
    thread.start()
    yield caught
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


@contextmanager
def meanwhile(act: Callable[[], None], *, every_s: float) -> Iterator[None]:
    """Act again and again, in a thread, until the block ends."""
    ended = threading.Event()

    def keep_acting() -> None:
        while not ended.wait(every_s):
            act()

    thread = threading.Thread(target=keep_acting, name="meanwhile")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def watched_readers() -> Iterator[Callable[[], int]]:
    """Yields what answers the most bytes that any process had in memory that reads strangers' files."""
    peak = 0

    def look() -> None:
        nonlocal peak
        peak = max(peak, *_readers(), 0)

    with meanwhile(look, every_s=LOOK_EVERY_S):
        yield lambda: peak


def _readers() -> Iterator[int]:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            if any(name in (process / "cmdline").read_bytes() for name in READERS):
                yield int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Ordered:
    """A job that was accepted."""

    client: Client
    status_path: str

    def ended(self) -> dict[str, Any]:
        """Its status once it has ended."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            status: dict[str, Any] = self.client.http.get(self.status_path).json()
            if status["completed_at"] is not None:
                return status
            time.sleep(0.05)
        raise AssertionError(f"{self.status_path} did not end: {status}")


def order(client: Client, path: str, status_path: str, body: dict[str, object]) -> Ordered:
    """Ask for a job that must be accepted."""
    answer = client.http.post(f"/api/v1{path}", json=body)
    assert answer.status_code == 200, answer.text
    return Ordered(client, f"/api/v1{status_path}/{answer.json()['job_id']}")


def assert_paid_for_successes_alone(client: Client, jobs: Iterable[Ordered], *, start: int) -> None:
    """The account, which began with `start` credits and has these jobs alone, has paid for what was made."""
    statuses = [ordered.ended() for ordered in jobs]
    used = {status["credits_used"] for status in statuses if status["status"].lower() != "completed"}
    balance = client.http.get("/api/v1/user/credits").json()
    assert used == {0}
    assert balance["credits_balance"] == balance["available"] == start - sum(it["credits_used"] for it in statuses)

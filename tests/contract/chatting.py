"""Driving the language routes from tests: conversations, streams, and the money behind them."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from tests.stack import Client, Stack

CHAT = "/api/v1/phaya-gpt/chat/completions"


def says(text: str, **more: Any) -> dict[str, Any]:
    """The body of a request in which the user says this."""
    return {"messages": [{"role": "user", "content": text}]} | more


@dataclass
class Told:
    """A stream as it was received."""

    status: int
    headers: httpx.Headers
    comments: int = 0
    chunks: list[dict[str, Any]] = field(default_factory=list)
    is_done: bool = False

    @property
    def text(self) -> str:
        """What the deltas say."""
        deltas = [choice["delta"] for chunk in self.chunks for choice in chunk.get("choices", ())]
        return "".join(delta.get("content", "") for delta in deltas)

    @property
    def finish_reason(self) -> str | None:
        found = [choice["finish_reason"] for chunk in self.chunks for choice in chunk.get("choices", ())]
        return next((reason for reason in reversed(found) if reason), None)


def stream(client: Client, text: str, path: str = CHAT, **more: Any) -> Told:
    """The whole of a streamed answer."""
    headers = more.pop("headers", {})
    with client.http.stream("POST", path, json=says(text, stream=True, **more), headers=headers) as response:
        told = Told(response.status_code, response.headers)
        for line in response.iter_lines():
            _read(told, line)
    return told


def _read(told: Told, line: str) -> None:
    assert not told.is_done or not line
    if line.startswith(":"):
        told.comments += 1
    elif line == "data: [DONE]":
        told.is_done = True
    elif line:
        assert line.startswith("data: "), line
        told.chunks.append(json.loads(line.removeprefix("data: ")))


@contextmanager
def opened(client: Client, text: str, **more: Any) -> Iterator[Iterator[str]]:
    """The lines of a stream as they come. Leaving the block hangs up."""
    with client.http.stream("POST", CHAT, json=says(text, stream=True, **more)) as response:
        assert response.status_code == 200
        yield response.iter_lines()


def balance(client: Client) -> tuple[Decimal, Decimal]:
    """What the account has, and what it can still spend."""
    answer = client.http.get("/api/v1/user/credits").json()
    return Decimal(str(answer["credits_balance"])), Decimal(str(answer["available"]))


def last_job(stack: Stack, client: Client) -> dict[str, Any]:
    """The account's newest job with its newest attempt."""
    query = """
        SELECT j.*, a.outcome, a.task_id, a.cost, a.provider_key, a.detail FROM jobs j
          JOIN job_attempts a ON a.job_id = j.id
         WHERE j.account_id = :account ORDER BY j.id DESC, a.number DESC LIMIT 1"""
    return stack.rows(query, account=client.account_id)[0]


def settled(stack: Stack, client: Client) -> dict[str, Any]:
    """The account's newest job, once it has ended."""
    ends = time.monotonic() + 20
    while time.monotonic() < ends:
        job = last_job(stack, client)
        if job["ended_at"] is not None:
            return job
        time.sleep(0.05)
    raise AssertionError(f"the job is still {job['state']}")


def times_asked(stack: Stack, text: str) -> int:
    """How often upstream was asked for what the user said; `text` must be a test's own."""
    found = stack.control("GET", "requests", params={"provider": "openrouter", "text": text})
    return len({asked["task_id"] for asked in found["requests"]})

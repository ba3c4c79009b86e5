"""Asking the API as a client does: over HTTP, with JSON, again and again until a job has ended."""

import time
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import httpx

from tests.stack import Client

JsonObject = dict[str, Any]
Body = Mapping[str, object]
PATIENCE_S = 60


def exact(number: float) -> Decimal:
    """An amount as it stands in the JSON."""
    return Decimal(str(number))


def post(client: Client, path: str, body: Body) -> httpx.Response:
    return client.http.post(f"/api/v1{path}", json=body)


def read(client: Client, path: str) -> JsonObject:
    answer = client.http.get(f"/api/v1{path}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def balance(client: Client) -> Decimal:
    return exact(read(client, "/user/credits")["credits_balance"])


def entries(client: Client) -> list[JsonObject]:
    """The account's entries as it is told them, newest first, without the grant that opened it."""
    told = read(client, "/user/credits/history?limit=100")["transactions"]
    return [entry for entry in told if entry["type"] != "topup"]


def created(client: Client, path: str, body: Body) -> JsonObject:
    """The answer to a create that must be accepted."""
    answer = post(client, path, body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ended(client: Client, path: str) -> JsonObject:
    """The status of a job once it has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        status = read(client, path)
        if status["completed_at"] is not None:
            return status
        time.sleep(0.02)
    raise AssertionError(f"{path} did not end: {status}")


def made(client: Client, service: str, body: Body, *, verb: str = "create") -> JsonObject:
    """The last status of a job of the service."""
    job_id = created(client, f"/{service}/{verb}", body)["job_id"]
    return ended(client, f"/{service}/status/{job_id}")

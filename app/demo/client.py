"""The few calls of the contract that the demo makes, with exact amounts."""

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import click
import httpx

TIMEOUT_S = 60
POLL_S = 0.3
DEADLINE_S = 300

# What the API answers. Numbers with a point are read as decimals: they are money.
Answer = dict[str, Any]


class Client:
    """A client with a key. Every refusal ends the demo with the server's own sentence."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def balance(self) -> Decimal:
        """The account's credits."""
        return Decimal(self._call("GET", "/user/credits")["credits_balance"])

    def upload(self, path: Path) -> str:
        """Give the server a file; answers its address."""
        with path.open("rb") as file:
            return str(self._call("POST", "/media/upload", files={"file": (path.name, file)})["url"])

    def run_job(self, service: str, verb: str, body: Mapping[str, object]) -> Iterator[Answer]:
        """Create a job and yield its status until it has ended well."""
        job_id = self._call("POST", f"/{service}/{verb}", json=body)["job_id"]
        deadline = time.monotonic() + DEADLINE_S
        while time.monotonic() < deadline:
            status = self._call("GET", f"/{service}/status/{job_id}")
            if status["status"].lower() in ("failed", "cancelled"):
                raise click.ClickException(f"{service}: {status['error'] or status['message']}")
            yield status
            if status["status"].lower() == "completed":
                return
            time.sleep(POLL_S)
        raise click.ClickException(f"{service}: not done after {DEADLINE_S} s (job {job_id})")

    def ask(self, question: str) -> Iterator[Answer]:
        """Ask the chat; yields the chunks of the streamed answer."""
        body = {"messages": [{"role": "user", "content": question}], "stream": True}
        with self._http.stream("POST", "/phaya-gpt/chat/completions", json=body) as response:
            if response.is_error:
                response.read()
                _check(response)
            for line in response.iter_lines():
                if line.startswith("data: ") and line != "data: [DONE]":
                    yield json.loads(line.removeprefix("data: "), parse_float=Decimal)

    def describe(self, url: str) -> str:
        """What is found at a result's address, without a key."""
        with httpx.stream("GET", url, timeout=TIMEOUT_S, trust_env=False) as response:
            _check(response)
            size = sum(len(chunk) for chunk in response.iter_raw())
            return f"{response.headers['content-type']}, {size / 1000:,.0f} kB"

    def _call(self, method: str, path: str, **options: Any) -> Answer:
        response = self._http.request(method, path, **options)
        while response.status_code == 429:
            time.sleep(int(response.headers["Retry-After"]))
            response = self._http.request(method, path, **options)
        _check(response)
        return _read(response)


@contextmanager
def connected(api_url: str, key: str) -> Iterator[Client]:
    """A client for the API at `api_url`. Raises ClickException if nobody is there."""
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=f"{api_url}/api/v1", headers=headers, timeout=TIMEOUT_S, trust_env=False) as http:
        try:
            yield Client(http)
        except httpx.TransportError as error:
            raise click.ClickException(f"{api_url} does not answer ({error!r}). Is `phaya up` running?") from error


def _check(response: httpx.Response) -> None:
    if not response.is_error:
        return
    message = response.text[:300]
    if response.headers.get("content-type", "").startswith("application/json"):
        message = _read(response).get("message", message)
    raise click.ClickException(f"{response.request.url.path} answered {response.status_code}: {message}")


def _read(response: httpx.Response) -> Answer:
    answer: Answer = json.loads(response.content, parse_float=Decimal)
    return answer

"""Driving a sandbox from a test: a client of it, a mailbox for it, and patience."""

import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx

from app.sandbox.config import SandboxConfig

T = TypeVar("T")
JsonObject = dict[str, Any]
# Loopback needs no certificates, and loading them takes longer than most tests.
NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
FAST = SandboxConfig(
    time_scale=0.02, callback_pauses_s=(0.01, 0.01, 0.01), kie_creates_per_10s=10_000, kie_queries_per_s=10_000
)


def until(look: Callable[[], T | None], what: str = "it") -> T:
    """What `look` finds, as soon as it finds something; fails after ten seconds."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if found := look():
            return found
        time.sleep(0.005)
    raise AssertionError(f"{what} did not happen")


def fetch(url: str, method: str = "GET", **headers: str) -> httpx.Response:
    """What a stranger without a key gets there."""
    return httpx.request(method, url, headers=headers, trust_env=False, verify=NO_CERTIFICATES, timeout=60)


@dataclass
class Letter:
    """A callback as it arrived."""

    headers: dict[str, str]
    body: JsonObject


@dataclass
class Mailbox:
    """An HTTP server that keeps what is posted to it; answers with the next of `answers`, then 200."""

    url: str = ""
    letters: list[Letter] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class Client:
    """One key's view of a sandbox."""

    url: str
    http: httpx.Client

    def kie(self, method: str, path: str, **more: Any) -> JsonObject:
        response = self.http.request(method, f"/kie/api/v1/{path}", **more)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def create(self, model: str = "z-image", /, callback: str | None = None, **values: Any) -> JsonObject:
        """The answer to a createTask."""
        body = {"model": model, "input": {"prompt": "a red mug", "aspect_ratio": "1:1"} | values}
        return self.kie("POST", "jobs/createTask", json=body | ({"callBackUrl": callback} if callback else {}))

    def task(self, model: str = "z-image", /, **values: Any) -> str:
        """The id of a task that was accepted."""
        answer = self.create(model, **values)
        assert answer["code"] == 200, answer
        return str(answer["data"]["taskId"])

    def upload(self, name: str, content: bytes) -> str:
        """The address of a file that KIE's upload host took."""
        form: dict[str, Any] = {"files": {"file": (name, content)}, "data": {"uploadPath": "in"}}
        response = self.http.post("/kie/api/file-stream-upload", **form)
        return str(response.json()["data"]["downloadUrl"])

    def record(self, task_id: str) -> JsonObject:
        return self.kie("GET", "jobs/recordInfo", params={"taskId": task_id})

    def finished(self, task_id: str) -> JsonObject:
        """The record once the task has ended."""

        def look() -> JsonObject | None:
            data: JsonObject = self.record(task_id)["data"]
            return data if data["state"] in ("success", "fail") else None

        return until(look, "the end of the task")

    def result_urls(self, task_id: str) -> list[str]:
        return list(json.loads(self.finished(task_id)["resultJson"])["resultUrls"])

    def chat(self, text: str = "Hello", **more: Any) -> httpx.Response:
        body = {"model": "openai/gpt-5.4", "messages": [{"role": "user", "content": text}]} | more
        return self.http.post("/openrouter/api/v1/chat/completions", json=body)

    def answer(self, text: str = "Hello", **more: Any) -> JsonObject:
        response = self.chat(text, **more)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def control(self, method: str, path: str, **more: Any) -> JsonObject:
        response = self.http.request(method, f"/control/{path}", **more)
        assert response.status_code == 200, response.text
        return dict(response.json())

    def fault(self, word: str, count: int = 1, **match: str) -> None:
        self.control("POST", "faults", json={"match": match, "fault": word, "count": count})


Connect = Callable[..., Client]

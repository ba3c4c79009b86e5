"""Calls clients back: at the right time, signed if a key is set, again when they do not answer."""

import asyncio
import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import orjson

from app.sandbox.config import SandboxConfig


@dataclass(frozen=True)
class Callback:
    """One message to one address at one time (Unix seconds)."""

    at: float
    url: str
    task_id: str
    body: dict[str, Any]


Report = Callable[[Callback, str], None]


def signature(task_id: str, timestamp: int, key: str) -> str:
    """Base64 of HMAC-SHA256 over `task_id.timestamp`; the body is not covered."""
    mac = hmac.new(key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()


class Callbacks:
    """The post office. `report` hears of every attempt and its answer: an HTTP status, or the name of the failure."""

    def __init__(self, config: SandboxConfig, report: Report) -> None:
        self._config = config
        self._report = report
        self._client = httpx.AsyncClient(timeout=config.callback_timeout_s, trust_env=False)
        self._sending: set[asyncio.Task[None]] = set()
        self._waiting: set[asyncio.TimerHandle] = set()

    def schedule(self, callback: Callback) -> None:
        """Send it when its time has come; at once when it is past."""
        loop = asyncio.get_running_loop()

        def start() -> None:
            self._waiting.discard(timer)
            task = loop.create_task(self._send(callback))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

        timer = loop.call_later(max(0.0, callback.at - time.time()), start)
        self._waiting.add(timer)

    def cancel_all(self) -> None:
        """Forget what has not been sent."""
        for timer in self._waiting:
            timer.cancel()
        self._waiting.clear()
        for task in self._sending:
            task.cancel()

    async def close(self) -> None:
        """Send no more."""
        self.cancel_all()
        await asyncio.gather(*self._sending, return_exceptions=True)
        await self._client.aclose()

    async def _send(self, callback: Callback) -> None:
        for pause in (*self._config.callback_pauses_s, None):
            answer = await self._post(callback)
            self._report(callback, answer)
            if answer == "200" or pause is None:
                return
            await asyncio.sleep(pause)

    async def _post(self, callback: Callback) -> str:
        content = orjson.dumps(callback.body, default=float)
        headers = {"content-type": "application/json"}
        if self._config.hmac_key:
            timestamp = int(time.time())
            headers["x-webhook-timestamp"] = str(timestamp)
            headers["x-webhook-signature"] = signature(callback.task_id, timestamp, self._config.hmac_key)
        try:
            response = await self._client.post(callback.url, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return type(error).__name__
        return str(response.status_code)

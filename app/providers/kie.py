"""KIE.ai with our keys: uploads, tasks in any of its dialects, and its balance (upstreams/kie.md)."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path

import httpx
import orjson

from app.errors import Throttled
from app.providers.http import free_call, paid_call, read_limited
from app.providers.kie_jobs import JOBS
from app.providers.kie_suno import SUNO
from app.providers.kie_veo import VEO
from app.providers.kie_wire import Dialect, excerpt, read_accepted, read_envelope, read_report, read_uploaded
from app.providers.port import Budget, ProviderKey, Purse, Task, TaskReport

NAME = "KIE"
DIALECTS: Mapping[str, Dialect] = {"jobs": JOBS, "veo": VEO, "suno": SUNO}


class Kie:
    """See `app.providers.port.TaskProvider` for the promises."""

    name = "kie"

    def __init__(self, client: httpx.AsyncClient, *, base_url: str, upload_url: str, keys: tuple[ProviderKey, ...],
                 budget: Budget) -> None:
        self._client = client
        self._base_url = base_url
        self._upload_url = upload_url
        self.keys = keys
        self.budget = budget

    async def upload(self, key: ProviderKey, path: Path, *, filename: str, content_type: str) -> str:
        with free_call(NAME), path.open("rb") as file:
            async with self._client.stream(
                "POST", f"{self._upload_url}/api/file-stream-upload",
                headers={"Authorization": f"Bearer {key.secret}"},
                data={"uploadPath": "phaya", "fileName": filename},
                files={"file": (filename, file, content_type)},
            ) as response:
                content = await read_limited(response)
        return read_uploaded(response.status_code, content)

    async def submit(self, key: ProviderKey, task: Task, *, dialect: str, callback_url: str | None) -> str:
        spoken = DIALECTS[dialect]
        with paid_call(NAME):
            status, content = await self._send(
                "POST", spoken.create_path, key, content=orjson.dumps(spoken.body(task, callback_url))
            )
        return read_accepted(status, content)

    async def query(self, key: ProviderKey, task_id: str, *, dialect: str) -> TaskReport:
        spoken = DIALECTS[dialect]
        with free_call(NAME):
            status, content = await self._send("GET", spoken.query_path, key, params={"taskId": task_id})
        return read_report(spoken, status, content)

    async def purse(self, key: ProviderKey) -> Purse:
        """What the key's account has left, in KIE's credits (kie.md 6.1)."""
        with free_call(NAME):
            _, content = await self._send("GET", "/api/v1/chat/credit", key)
        answer = read_envelope(content)
        if answer is None or answer.code != 200 or not isinstance(answer.data, int | float):
            raise Throttled("The provider does not tell its balance", detail=excerpt(content))
        return Purse(Decimal(str(answer.data)))

    async def _send(
        self, method: str, path: str, key: ProviderKey, *, content: bytes | None = None,
        params: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {key.secret}", "Content-Type": "application/json"}
        async with self._client.stream(
            method, self._base_url + path, headers=headers, content=content, params=params
        ) as response:
            return response.status_code, await read_limited(response)

"""KIE.ai: the jobs API (upstreams/kie.md 1, 5 and 6).

Its HTTP status is 200 even for a refusal: `code` in the body decides, and where there is no such body nobody knows.
"""

from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import Broken, ProviderError, Rejected, Throttled, Unclear
from app.providers.http import free_call, paid_call, read_limited
from app.providers.port import (
    Budget,
    Done,
    Failed,
    Missing,
    Outputs,
    ProviderKey,
    Task,
    TaskReport,
    Verdict,
    Working,
)

NAME = "KIE"
MAINTENANCE_S = 60
# A key that is refused, empty or over its own cap is left alone for this long.
KEY_REST_S = 300

# What `code` of a createTask answer means (kie.md 1.4). 500 is a refusal there, most often of a parameter.
REFUSED: dict[int, type[ProviderError]] = {
    400: Rejected, 404: Rejected, 413: Rejected, 422: Rejected, 451: Rejected,
    408: Broken, 500: Broken, 501: Broken, 505: Broken, 531: Broken,
}
TRY_LATER: dict[int, float] = {429: 10, 455: MAINTENANCE_S}
KEY_TROUBLE = frozenset({401, 402, 403, 433})

STATES: dict[str, Working] = {
    "waiting": Working(is_generating=False),
    "queuing": Working(is_generating=False),
    "generating": Working(is_generating=True),
}


class Envelope(BaseModel):
    """Every answer of KIE; `data` is as its route has it."""

    model_config = ConfigDict(extra="ignore")

    code: int
    msg: str | None = None
    message: str | None = None
    data: Any = None

    @property
    def text(self) -> str:
        return (self.msg or self.message or "")[:500]


class Record(BaseModel):
    """`data` of recordInfo (kie.md 1.2). Almost any field may be missing."""

    model_config = ConfigDict(extra="ignore")

    state: str
    param: str | None = None
    result: str | None = Field(default=None, alias="resultJson")
    fail_code: str | int | None = Field(default=None, alias="failCode")
    fail_message: str | None = Field(default=None, alias="failMsg")
    progress: int | None = None
    cost: Decimal | None = Field(default=None, alias="creditsConsumed")


class Kie:
    """The jobs API with our keys. See `app.providers.port.TaskProvider` for the promises."""

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
            response = await self._client.post(
                f"{self._upload_url}/api/file-stream-upload",
                headers={"Authorization": f"Bearer {key.secret}"},
                data={"uploadPath": "phaya", "fileName": filename},
                files={"file": (filename, file, content_type)},
            )
        answer = _envelope(response.content)
        if response.status_code != httpx.codes.OK or answer is None or answer.code != 200:
            raise Throttled("The provider did not accept the input file", detail=_excerpt(response.content))
        address = answer.data.get("downloadUrl") if isinstance(answer.data, dict) else None
        if not isinstance(address, str):
            raise Throttled("The provider did not accept the input file", detail=_excerpt(response.content))
        return address

    async def submit(self, key: ProviderKey, task: Task, *, dialect: str, callback_url: str | None) -> str:
        body: dict[str, object] = {"model": task.model, "input": dict(task.body)}
        if callback_url is not None:
            body["callBackUrl"] = callback_url
        with paid_call(NAME):
            status, content = await self._send(
                "POST", "/api/v1/jobs/createTask", key, content=orjson.dumps(body)
            )
        return read_accepted(status, content)

    async def query(self, key: ProviderKey, task_id: str, *, dialect: str) -> TaskReport:
        with free_call(NAME):
            status, content = await self._send(
                "GET", "/api/v1/jobs/recordInfo", key, params={"taskId": task_id}
            )
        return read_record(status, content)

    async def balance(self, key: ProviderKey) -> Decimal:
        """What the key's account has left, in KIE's credits."""
        with free_call(NAME):
            _, content = await self._send("GET", "/api/v1/chat/credit", key)
        answer = _envelope(content)
        if answer is None or answer.code != 200 or not isinstance(answer.data, int | float):
            raise Throttled("The provider does not tell its balance", detail=_excerpt(content))
        return Decimal(str(answer.data))

    async def _send(
        self, method: str, path: str, key: ProviderKey, *, content: bytes | None = None,
        params: dict[str, str] | None = None,
    ) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {key.secret}", "Content-Type": "application/json"}
        async with self._client.stream(
            method, self._base_url + path, headers=headers, content=content, params=params
        ) as response:
            return response.status_code, await read_limited(response)


def read_accepted(status: int, content: bytes) -> str:
    """The task id in an answer to createTask; raises what the answer means otherwise."""
    answer = _envelope(content)
    detail = f"HTTP {status}: {_excerpt(content)}"
    code = answer.code if answer is not None else status if 400 <= status < 500 else None
    if code == 200 and status == httpx.codes.OK:
        task_id = answer.data.get("taskId") if answer and isinstance(answer.data, dict) else None
        if isinstance(task_id, str) and task_id:
            return task_id
    if code in TRY_LATER:
        raise Throttled("The provider is busy", retry_after_s=TRY_LATER[code], detail=detail)
    if code in KEY_TROUBLE:
        raise Throttled("The provider is not available", retry_after_s=KEY_REST_S, detail=detail, is_about_key=True)
    if code in REFUSED:
        raise REFUSED[code](_safe_reason(code), detail=detail)
    raise Unclear("The provider's answer was lost", detail=detail)


def read_record(status: int, content: bytes) -> TaskReport:
    """The verdict in an answer to recordInfo. Raises Throttled where it holds none."""
    answer = _envelope(content)
    if answer is None or status != httpx.codes.OK:
        raise Throttled("No answer", detail=f"HTTP {status}: {_excerpt(content)}")
    if answer.code in (404, 422):
        return TaskReport(Missing())
    if answer.code != 200:
        raise Throttled("No answer", detail=f"code {answer.code}: {answer.text}")
    try:
        record = Record.model_validate(answer.data)
    except ValidationError as error:
        raise Throttled("No answer", detail=str(error)[:500]) from error
    return TaskReport(_verdict(record), callback_url=_callback_url(record.param))


def _verdict(record: Record) -> Verdict:
    if record.state == "success":
        return Done(read_outputs(record.result), cost=record.cost)
    if record.state == "fail":
        detail = f"{record.fail_code}: {record.fail_message}"[:500]
        return Failed("The provider could not make it", detail=detail, cost=record.cost)
    working = STATES.get(record.state)
    if working is None:
        # An unknown word is an alarm, never a guess: the job waits on until its deadline.
        raise Throttled("No answer", detail=f"unknown state {record.state[:100]!r}")
    progress = record.progress if record.progress is not None and 0 <= record.progress <= 100 else None
    return Working(working.is_generating, progress)


def read_outputs(text: str | None) -> Outputs:
    """What `resultJson` holds (kie.md 1.3). Text that is not understood is a success without files."""
    result = _object(text)
    urls = result.get("resultUrls")
    found = [urls] if isinstance(urls, str) else urls if isinstance(urls, list) else []
    character = result.get("character_id")
    return Outputs(
        urls=tuple(url for url in found if isinstance(url, str)),
        values={"character_id": character} if isinstance(character, str) else {},
    )


def _callback_url(param: str | None) -> str | None:
    found = _object(param).get("callBackUrl")
    return found if isinstance(found, str) else None


def _object(text: str | None) -> dict[str, object]:
    try:
        value = orjson.loads(text or "")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _envelope(content: bytes) -> Envelope | None:
    try:
        return Envelope.model_validate_json(content)
    except ValidationError:
        return None


def _excerpt(content: bytes) -> str:
    return content[:500].decode(errors="replace")


def _safe_reason(code: int) -> str:
    return "The provider refused the request" if REFUSED[code] is Rejected else "The provider could not make it"

"""Veo's own routes at KIE, older than the jobs API and the only ones that choose a tier (upstreams/kie.md 3)."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.providers.kie_wire import (
    NOT_FETCHED,
    REFUSED_REQUEST,
    UNKNOWN_TASK,
    Dialect,
    callback_in,
    failed,
    parse_urls,
)
from app.providers.port import Done, Failed, JsonObject, Outputs, Task, TaskReport, Verdict, Working

# What a query may answer in the place of a record: the task was refused for what it asks, or for its pictures.
QUERY_CODES: Mapping[int, Verdict] = {
    **UNKNOWN_TASK,
    400: Failed(REFUSED_REQUEST, detail="code 400"),
    451: Failed(NOT_FETCHED, detail="code 451"),
}
RUNNING, SUCCEEDED = 0, 1
FAILED = frozenset({2, 3})


class Response(BaseModel):
    """What a finished task made. The original is told only when its shape is not 16:9."""

    model_config = ConfigDict(extra="ignore")

    result_urls: object = Field(default=None, alias="resultUrls")
    origin_urls: object = Field(default=None, alias="originUrls")
    resolution: str | None = None


class Record(BaseModel):
    """`data` of record-info."""

    model_config = ConfigDict(extra="ignore")

    success_flag: int = Field(alias="successFlag")
    param: object = Field(default=None, alias="paramJson")
    response: Response | None = None
    error_code: int | str | None = Field(default=None, alias="errorCode")
    error_message: str | None = Field(default=None, alias="errorMessage")


def _body(task: Task, callback_url: str | None) -> JsonObject:
    body = {"model": task.model, **task.body}
    return body | {"callBackUrl": callback_url} if callback_url else body


def _read(data: Any) -> TaskReport:
    record = Record.model_validate(data)
    return TaskReport(_verdict(record), callback_url=callback_in(record.param))


def _verdict(record: Record) -> Verdict:
    if record.success_flag == SUCCEEDED:
        return Done(_outputs(record.response or Response()))
    if record.success_flag in FAILED:
        return failed(record.error_code, record.error_message)
    if record.success_flag == RUNNING:
        return Working(is_generating=True)
    raise ValueError(f"unknown successFlag {record.success_flag}")


def _outputs(response: Response) -> Outputs:
    """The film, and after it the original if there is another."""
    films = parse_urls(response.result_urls)[:1]
    originals = [url for url in parse_urls(response.origin_urls)[:1] if url not in films]
    values = {"resolution": response.resolution} if response.resolution else {}
    return Outputs(urls=(*films, *originals) if films else (), values=values)


VEO = Dialect("/api/v1/veo/generate", "/api/v1/veo/record-info", _body, _read, QUERY_CODES)

"""Suno's own routes at KIE, older than the jobs API. A create needs a callback address here (upstreams/kie.md 4)."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.providers.kie_wire import NOT_MADE, REFUSED_REQUEST, Dialect, callback_in
from app.providers.port import Done, Failed, JsonObject, Outputs, Task, TaskReport, Verdict, Working

WORKING: Mapping[str, Working] = {
    "PENDING": Working(is_generating=False),
    "TEXT_SUCCESS": Working(is_generating=True),
    "FIRST_SUCCESS": Working(is_generating=True),
}
FAILED: Mapping[str, str] = {
    "CREATE_TASK_FAILED": NOT_MADE,
    "GENERATE_AUDIO_FAILED": NOT_MADE,
    "CALLBACK_EXCEPTION": NOT_MADE,
    "SENSITIVE_WORD_ERROR": REFUSED_REQUEST,
}


class Track(BaseModel):
    """One song."""

    model_config = ConfigDict(extra="ignore")

    audio_url: str | None = Field(default=None, alias="audioUrl")


class Response(BaseModel):
    """What was made so far."""

    model_config = ConfigDict(extra="ignore")

    tracks: list[Track] | None = Field(default=None, alias="sunoData")


class Record(BaseModel):
    """`data` of record-info."""

    model_config = ConfigDict(extra="ignore")

    status: str
    param: object = None
    response: Response | None = None
    error_code: int | str | None = Field(default=None, alias="errorCode")
    error_message: str | None = Field(default=None, alias="errorMessage")


def _body(task: Task, callback_url: str | None) -> JsonObject:
    return {"model": task.model, **task.body, "callBackUrl": callback_url}


def _read(data: Any) -> TaskReport:
    record = Record.model_validate(data)
    return TaskReport(_verdict(record), callback_url=callback_in(record.param))


def _verdict(record: Record) -> Verdict:
    if record.status == "SUCCESS":
        tracks = (record.response.tracks if record.response else None) or []
        return Done(Outputs(urls=tuple(track.audio_url for track in tracks if track.audio_url)))
    if record.status in FAILED:
        detail = f"{record.status} {record.error_code}: {record.error_message}"[:500]
        return Failed(FAILED[record.status], detail=detail)
    if record.status in WORKING:
        return WORKING[record.status]
    raise ValueError(f"unknown status {record.status[:100]!r}")


SUNO = Dialect("/api/v1/generate", "/api/v1/generate/record-info", _body, _read)

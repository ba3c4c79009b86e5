"""KIE's jobs API, by which nearly every model is run (upstreams/kie.md 1)."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from app.providers.kie_wire import Dialect, callback_in, failed, parse_object, parse_urls
from app.providers.port import Done, JsonObject, Outputs, Task, TaskReport, Verdict, Working

WORKING: Mapping[str, Working] = {
    "waiting": Working(is_generating=False),
    "queuing": Working(is_generating=False),
    "generating": Working(is_generating=True),
}
# Values of a result that are no files.
VALUES = ("character_id", "resolution")


class Record(BaseModel):
    """`data` of recordInfo (kie.md 1.2). Almost any field may be missing."""

    model_config = ConfigDict(extra="ignore")

    state: str
    param: object = None
    result: object = Field(default=None, alias="resultJson")
    fail_code: str | int | None = Field(default=None, alias="failCode")
    fail_message: str | None = Field(default=None, alias="failMsg")
    progress: int | None = None
    # Its older name is that of answers of 2025.
    cost: Decimal | None = Field(default=None, validation_alias=AliasChoices("creditsConsumed", "consumeCredits"))


def _body(task: Task, callback_url: str | None) -> JsonObject:
    body: dict[str, object] = {"model": task.model, "input": dict(task.body)}
    return body | {"callBackUrl": callback_url} if callback_url else body


def _read(data: Any) -> TaskReport:
    record = Record.model_validate(data)
    return TaskReport(_verdict(record), callback_url=callback_in(record.param))


def _verdict(record: Record) -> Verdict:
    match record.state:
        case "success":
            return Done(read_outputs(record.result), cost=record.cost)
        case "fail":
            return failed(record.fail_code, record.fail_message, record.cost)
        case state if state in WORKING:
            progress = record.progress if record.progress is not None and 0 <= record.progress <= 100 else None
            return Working(WORKING[state].is_generating, progress)
    raise ValueError(f"unknown state {record.state[:100]!r}")


def read_outputs(result_json: object) -> Outputs:
    """What `resultJson` holds (kie.md 1.3). Text that is not understood is a success without files.

    Music is told in either of two shapes: addresses, or a list of tracks.
    """
    result = parse_object(result_json)
    tracks = result.get("data")
    songs = [track.get("audio_url") for track in tracks if isinstance(track, dict)] if isinstance(tracks, list) else []
    return Outputs(
        urls=parse_urls(result.get("resultUrls")) or parse_urls(songs),
        values={name: result[name] for name in VALUES if isinstance(result.get(name), str)},
    )


JOBS = Dialect("/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo", _body, _read)

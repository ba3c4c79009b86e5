"""A task's results: the files, their addresses, and the record that shows them."""

from typing import Any

import orjson

from app.sandbox.kie.models import MODELS
from app.sandbox.media.specs import Media
from app.sandbox.tasks import JsonObject, Phase, Task


def media_of(task: Task) -> list[Media]:
    """What the task makes."""
    return MODELS[task.model].makes(task.input())


def addresses(task: Task) -> list[str]:
    """Where its files are. A task that was told to succeed without a file has none."""
    if task.directives.no_file:
        return []
    return [
        f"{task.base_url}/files/{task.id}/{number}.{media.extension}" for number, media in enumerate(media_of(task))
    ]


def result_json(task: Task) -> JsonObject:
    """What stands in `resultJson`."""
    return MODELS[task.model].result(addresses(task))


def job_record(task: Task, now: float) -> JsonObject:
    """A task as `recordInfo` and the callback show it."""
    phase = task.phase(now)
    record: dict[str, Any] = {
        "taskId": task.id,
        "model": task.model,
        "state": phase,
        "param": task.param,
        "resultJson": "",
        "failCode": None,
        "failMsg": None,
        "costTime": None,
        "completeTime": None,
        "createTime": int(task.created_at * 1000),
        "updateTime": int(min(now, task.ends_at) * 1000),
    }
    if phase is Phase.SUCCESS:
        record["resultJson"] = orjson.dumps(result_json(task)).decode()
    elif phase is Phase.FAIL:
        record |= {"resultJson": None, "failCode": "500", "failMsg": "Internal server error"}
    if phase in (Phase.SUCCESS, Phase.FAIL):
        record |= {
            "costTime": round(task.ends_at - task.created_at),
            "completeTime": int(task.ends_at * 1000),
            "creditsConsumed": task.charged,
        }
    return record

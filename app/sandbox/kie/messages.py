"""The callbacks of a task: what is sent, where and when (kie.md 3.4, 4.3, 5)."""

from collections.abc import Iterator
from dataclasses import replace

import orjson

from app.sandbox.callbacks import Callback
from app.sandbox.directives import Directives
from app.sandbox.kie.records import job_record, songs, veo_files
from app.sandbox.tasks import Dialect, JsonObject, Task

STOLEN_FILE = "https://forged.invalid/not-yours"
# When Suno tells of the text and of the first track, as shares of the task's time.
TEXT_DONE, FIRST_DONE = 0.3, 0.7


def callbacks_of(task: Task) -> Iterator[Callback]:
    """All callbacks of the task, bent as its directives say."""
    asked, url = task.directives, task.callback_url
    if url is None:
        return
    if asked.forged_callback:
        yield Callback(task.created_at, url, task.id, _forged(task))
    if asked.no_callback or asked.lost_answer_no_callback:
        return
    late_s = asked.late_callback or 0
    for at, body in _messages(task):
        callback = Callback(at + late_s, url, task.id, body)
        yield callback
        if asked.duplicate_callback:
            yield callback


def _messages(task: Task) -> Iterator[tuple[float, JsonObject]]:
    """Each message of the task's dialect and its time."""
    match task.dialect:
        case Dialect.JOBS:
            yield task.ends_at, _job_message(task)
        case Dialect.VEO:
            yield task.ends_at, _veo_message(task)
        case Dialect.SUNO:
            yield from _suno_messages(task)


def _job_message(task: Task) -> JsonObject:
    """The query's answer, in another envelope."""
    failed = task.directives.fail
    return {
        "code": 501 if failed else 200,
        "msg": "Playground task failed." if failed else "Playground task completed successfully.",
        "data": job_record(task, task.ends_at),
    }


def _veo_message(task: Task) -> JsonObject:
    if task.directives.fail:
        failure = {"taskId": task.id, "fallbackFlag": False}
        return {"code": 501, "msg": "Video generation failed.", "data": failure}
    files = veo_files(task)
    data = {
        "taskId": task.id,
        "promptJson": task.param,
        "info": files | {"originUrls": files["originUrls"] or []},
        "fallbackFlag": False,
        "creditsConsumed": task.charged,
    }
    return {"code": 200, "msg": "Veo3.1 video generated successfully.", "data": data}


def _suno_messages(task: Task) -> Iterator[tuple[float, JsonObject]]:
    if task.directives.fail:
        failure = {"callbackType": "error", "task_id": task.id, "data": None}
        yield task.ends_at, {"code": 501, "msg": "Audio generation failed.", "data": failure}
        return
    tracks = songs(task)
    without_sound = [song | {"audio_url": "", "duration": None} for song in tracks]
    yield task.time_of(TEXT_DONE), _suno_message(task, "text", without_sound)
    yield task.time_of(FIRST_DONE), _suno_message(task, "first", tracks[:1])
    yield task.ends_at, _suno_message(task, "complete", tracks)


def _suno_message(task: Task, stage: str, tracks: list[JsonObject]) -> JsonObject:
    words = {"text": "Text", "first": "First track", "complete": "All"}[stage]
    data = {"callbackType": stage, "task_id": task.id, "data": tracks}
    return {"code": 200, "msg": f"{words} generated successfully.", "data": data}


def _forged(task: Task) -> JsonObject:
    """Success, with someone else's file, whatever becomes of the task."""
    *_, (_, message) = _messages(replace(task, directives=Directives()))
    real, forged = f"{task.base_url}/files/{task.id}/".encode(), f"{STOLEN_FILE}/".encode()
    body: JsonObject = orjson.loads(orjson.dumps(message, default=float).replace(real, forged))
    return body

"""How a task reads when it is asked for: one shape for each dialect (kie.md 1.2, 3.2, 4.2)."""

from datetime import UTC, datetime
from typing import Any

import orjson

from app.sandbox.kie.models import media_of, model_of, values_of
from app.sandbox.media.specs import Track
from app.sandbox.tasks import JsonObject, Phase, Task

ENDED = (Phase.SUCCESS, Phase.FAIL)


def addresses(task: Task) -> list[str]:
    """Where its files are. A task that was told to succeed without a file has none."""
    if task.directives.no_file:
        return []
    return [
        f"{task.base_url}/files/{task.id}/{number}.{media.extension}" for number, media in enumerate(media_of(task))
    ]


def job_record(task: Task, now: float) -> JsonObject:
    """As `recordInfo` and the jobs callback show it."""
    phase = task.phase(now)
    record: JsonObject = {
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
    if model_of(task).has_progress:
        record["progress"] = int(100 * task.progress(now))
    if phase is Phase.SUCCESS:
        record["resultJson"] = orjson.dumps(_result(task)).decode()
    elif phase is Phase.FAIL:
        record |= {"resultJson": None, "failCode": "500", "failMsg": "Internal server error"}
    if phase in ENDED:
        record |= {
            "costTime": round(task.ends_at - task.created_at),
            "completeTime": int(task.ends_at * 1000),
            "creditsConsumed": task.charged,
        }
    return record


def _result(task: Task) -> JsonObject:
    """Suno's result as a job is disputed: a list of tracks unless the addresses are asked for."""
    has_tracks = any(isinstance(media, Track) for media in media_of(task))
    if has_tracks and not task.directives.plain_urls:
        return {"data": songs(task)}
    return model_of(task).result(addresses(task))


def veo_record(task: Task, now: float) -> JsonObject:
    """As Veo's legacy query shows it."""
    phase = task.phase(now)
    failed = phase is Phase.FAIL
    return {
        "taskId": task.id,
        "paramJson": task.param,
        "successFlag": {Phase.SUCCESS: 1, Phase.FAIL: 3}.get(phase, 0),
        "response": {"taskId": task.id, **veo_files(task)} if phase is Phase.SUCCESS else None,
        "errorCode": 501 if failed else None,
        "errorMessage": "Video generation failed" if failed else "",
        "fallbackFlag": False,
        "createTime": clock(task.created_at),
        "completeTime": clock(task.ends_at) if phase in ENDED else None,
    }


def veo_files(task: Task) -> JsonObject:
    """The films; the original beside them when the ratio is not 16:9."""
    values = values_of(task)
    found = addresses(task)
    is_wide = (values.get("aspect_ratio") or "16:9") == "16:9"
    return {
        "resultUrls": found,
        "originUrls": None if is_wide else found,
        "resolution": values.get("resolution") or "720p",
    }


SUNO_STATUS = {
    Phase.WAITING: "PENDING", Phase.QUEUING: "TEXT_SUCCESS", Phase.GENERATING: "FIRST_SUCCESS",
    Phase.SUCCESS: "SUCCESS", Phase.FAIL: "GENERATE_AUDIO_FAILED",
}


def suno_record(task: Task, now: float) -> JsonObject:
    """As Suno's legacy query shows it."""
    phase = task.phase(now)
    shown = {Phase.GENERATING: 1, Phase.SUCCESS: 2}.get(phase, 0)
    tracks = [_camel(song) for song in songs(task)[:shown]]
    failed = phase is Phase.FAIL
    return {
        "taskId": task.id,
        "parentMusicId": "",
        "param": task.param,
        "response": {"taskId": task.id, "sunoData": tracks} if tracks or phase is Phase.SUCCESS else None,
        "status": SUNO_STATUS[phase],
        "type": "GENERATE",
        "operationType": "generate",
        "errorCode": 408 if failed else None,
        "errorMessage": "Audio generation failed" if failed else None,
    }


def songs(task: Task) -> list[JsonObject]:
    """The tracks in the callback's spelling."""
    values = values_of(task)
    tracks = [media for media in media_of(task) if isinstance(media, Track)]
    return [
        {
            "id": f"{task.id[:24]}-{number}",
            "audio_url": address,
            "stream_audio_url": address,
            "image_url": None,
            "prompt": values.get("prompt") or values.get("lyrics") or "",
            "model_name": f"chirp-{values['model'].lower().replace('_', '-')}",
            "title": values.get("title") or "Untitled",
            "tags": values.get("style") or "",
            "createTime": clock(task.created_at),
            "duration": track.seconds,
        }
        for number, (address, track) in enumerate(zip(addresses(task), tracks, strict=False))
    ]


CAMEL = {
    "audio_url": "audioUrl", "stream_audio_url": "streamAudioUrl", "image_url": "imageUrl", "model_name": "modelName",
}


def _camel(song: JsonObject) -> dict[str, Any]:
    return {CAMEL.get(name, name): value for name, value in song.items()}


def clock(at: float) -> str:
    """A time as the legacy routes write it: no zone."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")

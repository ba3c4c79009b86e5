"""Uploads, and how busy the media workers are (contract 4.3)."""

from typing import Any

from fastapi import APIRouter, Request, Response

from app.api.answers import REPLAYED, json_answer
from app.api.deps import BrokerDep, Caller, require_scope
from app.api.generation import base_url
from app.api.receive_upload import receive_upload
from app.api.schemas import error_responses, object_answer
from app.errors import Invalid, MediaError
from app.files.register import file_path
from app.media.process import work_folder
from app.services.keep_upload import Upload, keep_upload
from app.services.queue_stats import queue_stats

router = APIRouter(prefix="/api/v1/media", tags=["Media"])

UPLOAD_REQUEST: dict[str, Any] = {
    "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {
        "type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}},
    }}}},
    "parameters": [
        {"name": "Idempotency-Key", "in": "header", "required": False,
         "schema": {"type": "string", "minLength": 1, "maxLength": 255},
         "description": "The same key and file give the same address again, for 7 days"},
    ],
}
UPLOADED = object_answer({
    "success": {"const": True}, "url": {"type": "string"}, "file_url": {"type": "string"},
    "filename": {"type": "string"}, "content_type": {"type": "string"}, "size": {"type": "integer"},
})
STATS = object_answer({
    "success": {"const": True},
    **{count: {"type": "integer"} for count in ("pending", "processing", "completed", "failed", "workers")},
})


@router.post(
    "/upload", summary="Store a picture, a video or a sound; its address is an input for every service",
    openapi_extra=UPLOAD_REQUEST, responses={200: UPLOADED, **error_responses(400, 401, 403, 413, 422, 429)},
)
async def upload(request: Request, broker: BrokerDep, key: Caller) -> Response:
    require_scope(key, "media", "image", "video", "audio")
    with work_folder(broker.settings.work_dir) as folder:
        received = await receive_upload(request, folder, limit_bytes=broker.settings.upload_limit_bytes)
        try:
            file, is_replay = await keep_upload(
                broker, Upload(received.path, received.filename, received.size, received.sha256),
                account_id=key.account_id, key=request.headers.get("idempotency-key"), route=request.url.path,
            )
        except MediaError as refusal:
            raise Invalid.at("file", str(refusal), type_="file_refused") from refusal
    url = base_url(request) + file_path(file)
    return json_answer({
        "success": True, "url": url, "file_url": url, "filename": file.filename, "content_type": file.content_type,
        "size": file.size,
    }, headers=REPLAYED if is_replay else None)


@router.get(
    "/queue/stats", summary="How busy the media workers are",
    responses={200: STATS, **error_responses(401, 403, 429)},
)
async def stats(broker: BrokerDep, key: Caller) -> Response:
    require_scope(key, "media")
    counts = await queue_stats(broker, key.account_id)
    return json_answer({"success": True} | counts)

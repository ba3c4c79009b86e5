"""Uploads, and how busy the media workers are (contract 4.3)."""

from fastapi import APIRouter, Request, Response

from app.api.answers import json_answer
from app.api.deps import BrokerDep, Caller, require_scope
from app.api.generation import base_url
from app.api.receive_upload import receive_upload
from app.api.schemas import error_responses
from app.errors import Invalid, MediaError
from app.files.models import FileRole
from app.files.register import file_path
from app.media.formats import Kinds
from app.media.process import work_folder
from app.services.keep_files import keep_file
from app.services.queue_stats import queue_stats

router = APIRouter(prefix="/api/v1/media", tags=["Media"])

UPLOAD_BODY = {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": {
    "type": "object", "required": ["file"], "properties": {"file": {"type": "string", "format": "binary"}},
}}}}}


@router.post(
    "/upload", summary="Store a picture, a video or a sound; its address is an input for every service",
    openapi_extra=UPLOAD_BODY, responses=error_responses(400, 401, 403, 413, 422, 429),
)
async def upload(request: Request, broker: BrokerDep, key: Caller) -> Response:
    require_scope(key, "media", "image", "video", "audio")
    with work_folder(broker.settings.work_dir) as folder:
        received = await receive_upload(request, folder, limit_bytes=broker.settings.upload_limit_bytes)
        try:
            file = await keep_file(
                broker, received.path, account_id=key.account_id, role=FileRole.UPLOAD,
                kinds=Kinds.IMAGE | Kinds.VIDEO | Kinds.AUDIO, name=received.filename, size=received.size,
                sha256=received.sha256,
            )
        except MediaError as refusal:
            problem = str(refusal)
            raise Invalid(
                f"file: {problem}", fields=[{"loc": ("body", "file"), "msg": problem, "type": "file_refused"}]
            ) from refusal
    url = base_url(request) + file_path(file)
    return json_answer({
        "success": True, "url": url, "file_url": url, "filename": file.filename, "content_type": file.content_type,
        "size": file.size,
    })


@router.get("/queue/stats", summary="How busy the media workers are", responses=error_responses(401, 403, 429))
async def stats(broker: BrokerDep, key: Caller) -> Response:
    require_scope(key, "media")
    counts = await queue_stats(broker, key.account_id)
    return json_answer({"success": True} | counts)

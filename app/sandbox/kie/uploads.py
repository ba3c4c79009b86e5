"""The upload host: three ways in, and an envelope of its own with `success` at two levels."""

import base64
import binascii
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException
from starlette.responses import Response
from starlette.routing import Route

from app.sandbox.exchange import Call, Refused, endpoint
from app.sandbox.kie.wire import PROVIDER, authorize
from app.sandbox.replies import json_reply
from app.sandbox.store import content_type
from app.sandbox.tasks import JsonObject
from app.sandbox.world import World

LIMIT_BYTES = 100 * 1024 * 1024
UNSAFE = re.compile(r"[^\w.\-]+")


@dataclass(frozen=True)
class Upload:
    """A file and the place the client wants it at."""

    content: bytes
    folder: str
    name: str


def routes(world: World) -> list[Route]:
    """`/api/file-*-upload`."""
    return [
        Route("/api/file-stream-upload", endpoint(world, PROVIDER, upload_envelope, stream_upload), methods=["POST"]),
        Route("/api/file-base64-upload", endpoint(world, PROVIDER, upload_envelope, base64_upload), methods=["POST"]),
        Route("/api/file-url-upload", endpoint(world, PROVIDER, upload_envelope, url_upload), methods=["POST"]),
    ]


def upload_envelope(_: Call, outcome: Any) -> tuple[str, Response]:
    """The upload host's envelope."""
    if isinstance(outcome, Refused):
        body = {"success": False, "code": outcome.code, "msg": outcome.message, "data": None}
        return str(outcome.code), json_reply(body, outcome.status or 200, outcome.headers)
    body = {"success": True, "code": 200, "msg": "File uploaded successfully", "data": outcome}
    return "200", json_reply(body)


async def stream_upload(call: Call) -> JsonObject:
    """A multipart form with `file`, `uploadPath` and perhaps `fileName`."""
    _begin(call)
    try:
        async with call.request.form() as form:
            file = form.get("file")
            if not isinstance(file, UploadFile):
                raise Refused(400, "Missing required parameter: file")
            return _keep(call, await file.read(), form.get("uploadPath"), form.get("fileName") or file.filename)
    except MultiPartException:
        raise Refused(400, "The form cannot be read") from None


async def base64_upload(call: Call) -> JsonObject:
    """JSON with `base64Data`, plain or as a data URL."""
    _begin(call)
    body = _object(call)
    data = str(body.get("base64Data") or "")
    try:
        content = base64.b64decode(data.partition(",")[2] if data.startswith("data:") else data, validate=True)
    except binascii.Error:
        raise Refused(400, "Base64 decoding failed: Invalid Base64 format") from None
    return _keep(call, content, body.get("uploadPath"), body.get("fileName"))


async def url_upload(call: Call) -> JsonObject:
    """JSON with `fileUrl`. Only this sandbox's own uploads are fetched: it never reaches out for a stranger."""
    _begin(call)
    body = _object(call)
    prefix = f"{call.base_url}/files/uploads/"
    url = str(body.get("fileUrl") or "")
    file = call.world.store.find(url.removeprefix(prefix)) if url.startswith(prefix) else None
    if file is None:
        raise Refused(500, "Failed to download file from URL")
    return _keep(call, file.read_bytes(), body.get("uploadPath"), body.get("fileName") or file.name)


def _begin(call: Call) -> None:
    try:
        authorize(call)
    except Refused:
        raise Refused(401, "Authentication failed: Invalid API Key") from None
    call.obey()


def _object(call: Call) -> JsonObject:
    body = call.json()
    if not isinstance(body, dict):
        raise Refused(400, "The request body is not a JSON object")
    return body


def _keep(call: Call, content: bytes, folder: Any, name: Any) -> JsonObject:
    if not isinstance(folder, str) or not folder.strip("/"):
        raise Refused(400, "Missing required parameter: uploadPath")
    if len(content) > LIMIT_BYTES:
        raise Refused(400, "File size exceeds the limit")
    path = "/".join(["kieai", *map(_safe, folder.strip("/").split("/")), _safe(str(name or uuid4().hex))])
    call.world.store.put(path, content)
    call.text = path
    return {
        "success": True,
        "fileName": path.rpartition("/")[2],
        "filePath": path,
        "downloadUrl": f"{call.base_url}/files/uploads/{path}",
        "fileSize": len(content),
        "mimeType": content_type(path),
        "uploadedAt": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
    }


def _safe(part: str) -> str:
    return UNSAFE.sub("-", part).strip(".") or "file"

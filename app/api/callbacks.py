"""Where providers call back. Every answer is the same, so it tells a stranger nothing (design 4.4)."""

from contextlib import suppress
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response

from app.api.answers import json_answer
from app.api.deps import broker_of
from app.api.schemas import object_answer
from app.catalog.loader import load_catalog
from app.services.hear_callback import hear_callback

HEARD: dict[int | str, dict[str, Any]] = {200: object_answer({"success": {"const": True}})}
BODY_MOST = 256 * 1024

router = APIRouter(tags=["Callbacks"], include_in_schema=True)


async def _hear(request: Request, secret: str) -> Response:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MOST:
            return json_answer({"success": True})
    parsed: object = None
    with suppress(orjson.JSONDecodeError):
        parsed = orjson.loads(bytes(body))
    await hear_callback(broker_of(request), secret, parsed)
    return json_answer({"success": True})


@router.post("/api/v1/callbacks/{provider}/{secret}", summary="A provider says that a task has ended",
             responses=HEARD)
async def provider_callback(request: Request, provider: str, secret: str) -> Response:
    return await _hear(request, secret)


async def service_callback(request: Request) -> Response:
    return await _hear(request, request.query_params.get("secret", ""))


for service in load_catalog().values():
    if service.has_callback:
        router.add_api_route(
            f"/api/v1/{service.id}/callback", service_callback, methods=["POST"],
            summary="A provider says that a task has ended", operation_id=f"{service.id}-callback", responses=HEARD,
        )

"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter, Response

from app.api.answers import json_answer
from app.api.deps import BrokerDep
from app.api.schemas import object_answer
from app.services.readiness import check_readiness

router = APIRouter(tags=["Health"])

PART = {"enum": ["ok", "down"]}
READY = object_answer({
    "status": {"enum": ["ok", "degraded", "down"]},
    "parts": {"type": "object", "properties": {"postgres": PART, "storage": PART, "redis": PART}},
})


@router.get("/health", summary="The process is alive", responses={200: object_answer({"status": {"const": "ok"}})})
async def health() -> Response:
    return json_answer({"status": "ok"})


@router.get(
    "/ready", summary="The parts that it needs answer; without Redis it is degraded, not dead",
    responses={200: READY, 503: {**READY, "description": "Postgres, its schema or the store is not there"}},
)
async def ready(broker: BrokerDep) -> Response:
    readiness = await check_readiness(broker)
    return json_answer(
        {"status": readiness.status, "parts": readiness.parts}, status=200 if readiness.is_ready else 503
    )

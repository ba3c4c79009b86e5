"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter, Response

from app.api.answers import json_answer
from app.api.deps import BrokerDep
from app.services.readiness import check_readiness

router = APIRouter(tags=["Health"])


@router.get("/health", summary="The process is alive")
async def health() -> Response:
    return json_answer({"status": "ok"})


@router.get(
    "/ready", summary="The parts that it needs answer; without Redis it is degraded, not dead",
    responses={503: {"description": "Postgres, its schema or the store is not there"}},
)
async def ready(broker: BrokerDep) -> Response:
    readiness = await check_readiness(broker)
    return json_answer(
        {"status": readiness.status, "parts": readiness.parts}, status=200 if readiness.is_ready else 503
    )

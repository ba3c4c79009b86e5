"""The jobs API: createTask and recordInfo, and what they show of a task (kie.md 1)."""

from typing import Any

import orjson
from starlette.routing import Route

from app.sandbox.exchange import Call, Refused, endpoint
from app.sandbox.kie.creating import accept, begin_create, find_task, read_values
from app.sandbox.kie.models import JOB_MODELS
from app.sandbox.kie.records import job_record
from app.sandbox.kie.wire import PROVIDER, envelope
from app.sandbox.tasks import Dialect, JsonObject
from app.sandbox.world import World

UNKNOWN_MODEL = "The page does not exist or is not published"


def routes(world: World) -> list[Route]:
    """`/api/v1/jobs/*`."""
    return [
        Route("/api/v1/jobs/createTask", endpoint(world, PROVIDER, envelope, create_task), methods=["POST"]),
        Route("/api/v1/jobs/recordInfo", endpoint(world, PROVIDER, envelope, record_info), methods=["GET"]),
    ]


async def create_task(call: Call) -> JsonObject:
    """Accept a task of any model of the table."""
    request = begin_create(call)
    call.model = str(request.get("model") or "")
    values: Any = request.get("input")
    values = values if isinstance(values, dict) else {}
    read_values(call, values)
    model = JOB_MODELS.get(call.model)
    if model is None:
        raise Refused(422, UNKNOWN_MODEL)
    stored = request | {"input": orjson.dumps(values).decode()}
    task = await accept(call, Dialect.JOBS, model, stored, values)
    return {"taskId": task.id, "recordId": task.id}


async def record_info(call: Call) -> JsonObject:
    """The state of a task as of now."""
    return job_record(find_task(call, Dialect.JOBS), call.world.now())

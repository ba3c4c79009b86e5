"""The jobs API: createTask and recordInfo."""

from uuid import uuid4

import orjson
from starlette.routing import Route

from app.sandbox.exchange import Call, Refused, endpoint
from app.sandbox.kie.messages import callbacks_of
from app.sandbox.kie.models import MODELS, Model
from app.sandbox.kie.results import job_record
from app.sandbox.kie.wire import PROVIDER, authorize, credits_left, envelope
from app.sandbox.tasks import Dialect, JsonObject, Task
from app.sandbox.world import World

UNKNOWN_MODEL = "The page does not exist or is not published"
UNKNOWN_TASK = "recordInfo is null"


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
    values = request.get("input")
    values = values if isinstance(values, dict) else {}
    model = MODELS.get(call.model)
    call.text = str(values.get("prompt") or "")
    call.obey(words_of(values))
    if model is None:
        raise Refused(422, UNKNOWN_MODEL)
    if problem := model.complaint(values):
        raise Refused(500, problem)
    task = accept(call, Dialect.JOBS, model, request | {"input": orjson.dumps(values).decode()}, values)
    return {"taskId": task.id, "recordId": task.id}


def begin_create(call: Call) -> JsonObject:
    """What every create does first: the key, its rate, the body. Raises Refused."""
    authorize(call)
    if not call.world.limits.allows(f"kie creates {call.key}", call.world.config.kie_creates_per_10s, 10):
        raise Refused(429, "Rate limit exceeded")
    request = call.json()
    if not isinstance(request, dict):
        raise Refused(400, "The request body is not a JSON object")
    call.callback_url = str(request.get("callBackUrl") or "")
    return request


def words_of(values: JsonObject) -> str:
    """The texts of an input in which directives may stand."""
    return "\n".join(value for value in values.values() if isinstance(value, str))


def accept(call: Call, dialect: Dialect, model: Model, request: JsonObject, values: JsonObject) -> Task:
    """Write the task into the books and see to its callbacks. Raises Refused when the key cannot pay."""
    asked, now = call.directives, call.world.now()
    price = model.credits(values) if asked.cost is None else asked.cost
    if credits_left(call) < price:
        raise Refused(402, "Credits insufficient")
    takes_s = model.usual_s * call.world.config.time_scale if asked.slow is None else asked.slow
    task = Task(
        id=uuid4().hex,
        dialect=dialect,
        model=call.model,
        key=call.key,
        base_url=call.base_url,
        param=orjson.dumps(request).decode(),
        created_at=now,
        ends_at=now + takes_s,
        credits=price,
        directives=asked,
    )
    call.task_id = task.id
    call.world.books.accept(task)
    for callback in callbacks_of(task):
        call.world.callbacks.schedule(callback)
    return task


async def record_info(call: Call) -> JsonObject:
    """The state of a task as of now."""
    task = find_task(call, Dialect.JOBS)
    return job_record(task, call.world.now())


def find_task(call: Call, dialect: Dialect) -> Task:
    """The task a query names, if it is the key's own and visible yet. Raises Refused."""
    authorize(call)
    if not call.world.limits.allows(f"kie queries {call.key}", call.world.config.kie_queries_per_s, 1):
        raise Refused(429, "Rate limit exceeded")
    call.task_id = call.request.query_params.get("taskId", "")
    task = call.world.books.tasks.get(call.task_id)
    call.model = task.model if task else ""
    call.obey()
    if not call.task_id:
        raise Refused(400, "taskId parameter is required")
    hidden = task is not None and call.world.now() < task.created_at + (task.directives.hidden or 0)
    if task is None or hidden or task.key != call.key or task.dialect is not dialect:
        raise Refused(422, UNKNOWN_TASK)
    return task

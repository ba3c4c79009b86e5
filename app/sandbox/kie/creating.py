"""What every create and every query of KIE has in common, whatever its dialect."""

from uuid import uuid4

import orjson

from app.sandbox.exchange import Call, Refused
from app.sandbox.kie.messages import callbacks_of
from app.sandbox.kie.model import Model
from app.sandbox.kie.models import media_of
from app.sandbox.kie.wire import authorize, credits_left
from app.sandbox.measuring import measure
from app.sandbox.tasks import Dialect, JsonObject, Task

UNKNOWN_TASK = "recordInfo is null"


def begin_create(call: Call) -> JsonObject:
    """The first steps: the key, its rate, the body. Raises Refused."""
    authorize(call)
    if not call.world.limits.allows(f"kie creates {call.key}", call.world.config.kie_creates_per_10s, 10):
        raise Refused(429, "Rate limit exceeded")
    request = call.json()
    if not isinstance(request, dict):
        raise Refused(400, "The request body is not a JSON object")
    call.callback_url = str(request.get("callBackUrl") or "")
    return request


def read_values(call: Call, values: JsonObject) -> None:
    """Note the prompt and obey the directives in any text of the input. Raises Refused."""
    call.text = str(values.get("prompt") or "")
    call.obey("\n".join(value for value in values.values() if isinstance(value, str)))


async def accept(call: Call, dialect: Dialect, model: Model, request: JsonObject, values: JsonObject) -> Task:
    """Write the task into the books and see to its files and callbacks. Raises Refused: input, credits."""
    source = await measure(call, values)
    if problem := model.complaint(values, source):
        raise Refused(500, problem)
    asked, now = call.directives, call.world.now()
    price = model.credits(values, source) if asked.cost is None else asked.cost
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
        source=source,
    )
    call.task_id = task.id
    call.world.books.accept(task)
    for media in media_of(task):
        call.world.studio.prepare(media)
    for callback in callbacks_of(task):
        call.world.callbacks.schedule(callback)
    return task


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
